#include "bridge/store/ballast.h"

#include "bridge/store/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace store {

Ballast::Ballast(std::string path, std::size_t bytes) : path_(std::move(path)), bytes_(bytes) {
  if (bytes_ != 0) is_released_ = !take();
}

bool Ballast::take() {
  const auto file = open_file(path_, O_RDWR | O_CREAT);
  if (!file) return false;
  if (::posix_fallocate(file->descriptor(), 0, static_cast<off_t>(bytes_)) == 0) return true;
  remove_file(path_);
  return false;
}

bool Ballast::release() {
  if (bytes_ == 0 || is_released_) return false;
  remove_file(path_);
  is_released_ = true;
  return true;
}

void Ballast::restore() {
  if (!is_released_) return;
  struct statvfs disk = {};
  if (::statvfs(path_.substr(0, path_.rfind('/') + 1).append(".").c_str(), &disk) != 0) return;
  // As much again must stay free, or the next commit would release it.
  if (disk.f_bavail * disk.f_frsize < 2 * bytes_) return;
  is_released_ = !take();
}

}  // namespace store
