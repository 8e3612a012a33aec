#include "bridge/app/memory.h"

#include <cstddef>
#include <cstdint>

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace app {
namespace {

// Code is never written to, so that its files hold all of it. Data is left alone: relocations have
// changed it.
void forget(const dl_phdr_info& object, std::uintptr_t page) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const auto& segment = object.dlpi_phdr[i];
    const bool is_code =
        segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && (segment.p_flags & PF_W) == 0;
    if (!is_code) continue;
    const std::uintptr_t begin = (object.dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const std::uintptr_t end = object.dlpi_addr + segment.p_vaddr + segment.p_memsz;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace

void forget_code() {
  auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* size) {
        forget(*object, *static_cast<std::uintptr_t*>(size));
        return 0;
      },
      &page);
}

}  // namespace app
