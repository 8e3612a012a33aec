# What a fuzz target found must fail its next run too, before anything else is tried: a test that
# fails is run once more. PROGRAM has a fault; ARGUMENTS are those of every target, FOLDER is its own.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${PROGRAM} -seed=1 -max_total_time=60 ${ARGUMENTS} RESULT_VARIABLE first
                OUTPUT_QUIET ERROR_QUIET)
if(first EQUAL 0)
  message(FATAL_ERROR "The fault was not found.")
endif()
execute_process(COMMAND ${PROGRAM} -runs=0 ${ARGUMENTS} RESULT_VARIABLE second
                OUTPUT_QUIET ERROR_QUIET)
if(second EQUAL 0)
  message(FATAL_ERROR "The next run passed although nothing was mended.")
endif()
