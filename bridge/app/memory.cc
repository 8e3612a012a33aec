#include "bridge/app/memory.h"

#include <cstddef>
#include <cstdint>

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace app {
namespace {

// Code and constants are never written to, so that their files hold all of them. Other data is left
// alone: relocations have changed it.
void forget(const dl_phdr_info& object, std::uintptr_t page) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const auto& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
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
