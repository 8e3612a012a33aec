// The process exit statuses, as sysexits.h has them where it has one.
#pragma once

namespace app {

enum ExitStatus : int {
  exit_ok = 0,
  exit_negative = 1,        // a negative verdict or a tool error
  exit_invalid_packet = 2,  // also a gate that blocks
  exit_usage = 64,
  exit_bad_input = 65,
  exit_daemon_away = 69,
  exit_bug = 70,
  exit_cannot_create = 73,
  exit_io = 74,
  exit_try_again = 75,
  exit_job_failed = 76,
  exit_not_authorised = 77,
  exit_configuration = 78,
  exit_timeout = 124,
  exit_interrupted = 130,
};

inline constexpr const char* exit_status_help =
    "Exit status:\n"
    "  0   done\n"
    "  1   negative verdict, or the tool failed\n"
    "  2   invalid packet, or a gate that blocks\n"
    "  64  usage (packet build and packet validate: 1)\n"
    "  65  bad input\n"
    "  69  the daemon is not there\n"
    "  70  a bug\n"
    "  73  cannot create a file\n"
    "  74  input or output failed\n"
    "  75  busy or rate limited; try again\n"
    "  76  the reply was invalid, or the job failed\n"
    "  77  not authorised, or signed out\n"
    "  78  configuration\n"
    "  124 timed out waiting\n"
    "  130 interrupted";

}  // namespace app
