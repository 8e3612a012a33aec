#include "tests/store/forgetful_vfs.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <utility>

namespace store {

namespace {

constexpr std::int64_t sector_bytes = 512;

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

// SQLite allocates it; the real file lies behind it in the same memory.
struct ForgetfulFile {
  sqlite3_file base;
  ForgetfulVfs* vfs;
  std::shared_ptr<ForgetfulVfs::Image> image;
  std::string path;

  static ForgetfulFile& of(sqlite3_file* file) { return *reinterpret_cast<ForgetfulFile*>(file); }
  static sqlite3_file* real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(ForgetfulFile));
  }

  static int close(sqlite3_file* file) {
    const int status = real(file)->pMethods->xClose(real(file));
    of(file).~ForgetfulFile();
    return status;
  }

  static int read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
    auto& self = of(file);
    const std::lock_guard lock(self.vfs->mutex_);
    if (!self.vfs->has_power_) return SQLITE_IOERR_READ;
    const auto& bytes = self.image->now;
    const auto start = std::min(static_cast<std::size_t>(offset), bytes.size());
    const auto count = std::min(static_cast<std::size_t>(size), bytes.size() - start);
    std::memcpy(to, bytes.data() + start, count);
    std::memset(static_cast<char*>(to) + count, 0, static_cast<std::size_t>(size) - count);
    return count == static_cast<std::size_t>(size) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }

  int change(ForgetfulVfs::Act act, ForgetfulVfs::Write write) {
    const std::lock_guard lock(vfs->mutex_);
    if (const int status = vfs->begin(act); status != SQLITE_OK) return status;
    ForgetfulVfs::apply(image->now, write);
    image->unsynced.push_back(std::move(write));
    return SQLITE_OK;
  }

  static int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    return of(file).change(
        ForgetfulVfs::Act::write,
        {.truncated_to = {},
         .offset = offset,
         .bytes = std::string(static_cast<const char*>(from), static_cast<std::size_t>(size))});
  }

  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    return of(file).change(ForgetfulVfs::Act::truncate, {.truncated_to = size});
  }

  static int sync(sqlite3_file* file, int) {
    auto& self = of(file);
    const std::lock_guard lock(self.vfs->mutex_);
    if (const int status = self.vfs->begin(ForgetfulVfs::Act::sync); status != SQLITE_OK) {
      return status;
    }
    for (const auto& write : self.image->unsynced) {
      const int status =
          write.truncated_to
              ? real(file)->pMethods->xTruncate(real(file), *write.truncated_to)
              : real(file)->pMethods->xWrite(real(file), write.bytes.data(),
                                             static_cast<int>(write.bytes.size()), write.offset);
      if (status != SQLITE_OK) return status;
    }
    self.image->unsynced.clear();
    // The real layer syncs the folder of a new journal or log with it.
    if (std::exchange(self.image->is_new, false)) self.vfs->removed_.clear();
    return SQLITE_OK;
  }

  static int size(sqlite3_file* file, sqlite3_int64* bytes) {
    auto& self = of(file);
    const std::lock_guard lock(self.vfs->mutex_);
    *bytes = static_cast<sqlite3_int64>(self.image->now.size());
    return SQLITE_OK;
  }

  static int lock(sqlite3_file* file, int level) {
    return real(file)->pMethods->xLock(real(file), level);
  }
  static int unlock(sqlite3_file* file, int level) {
    return real(file)->pMethods->xUnlock(real(file), level);
  }
  static int reserved(sqlite3_file* file, int* out) {
    return real(file)->pMethods->xCheckReservedLock(real(file), out);
  }
  // Growing in chunks and the like is for real files.
  static int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int sector(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
  static int device(sqlite3_file* file) {
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
  }
  static int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
    return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
  }
  static int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
  }
  static void shm_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
  static int shm_unmap(sqlite3_file* file, int remove) {
    return real(file)->pMethods->xShmUnmap(real(file), remove);
  }
};

namespace {

constexpr sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = &ForgetfulFile::close,
    .xRead = &ForgetfulFile::read,
    .xWrite = &ForgetfulFile::write,
    .xTruncate = &ForgetfulFile::truncate,
    .xSync = &ForgetfulFile::sync,
    .xFileSize = &ForgetfulFile::size,
    .xLock = &ForgetfulFile::lock,
    .xUnlock = &ForgetfulFile::unlock,
    .xCheckReservedLock = &ForgetfulFile::reserved,
    .xFileControl = &ForgetfulFile::control,
    .xSectorSize = &ForgetfulFile::sector,
    .xDeviceCharacteristics = &ForgetfulFile::device,
    .xShmMap = &ForgetfulFile::shm_map,
    .xShmLock = &ForgetfulFile::shm_lock,
    .xShmBarrier = &ForgetfulFile::shm_barrier,
    .xShmUnmap = &ForgetfulFile::shm_unmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

}  // namespace

ForgetfulVfs::ForgetfulVfs(std::string name)
    : name_(std::move(name)), real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
  vfs_.zName = name_.c_str();
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(ForgetfulFile)) + real_->szOsFile;
  vfs_.xOpen = &ForgetfulVfs::open;
  vfs_.xDelete = [](sqlite3_vfs* vfs, const char* path, int sync_folder) {
    return static_cast<ForgetfulVfs*>(vfs->pAppData)->remove(path, sync_folder);
  };
  // The real layer keeps its own state behind its own structure.
  vfs_.xAccess = [](sqlite3_vfs* vfs, const char* path, int flags, int* out) {
    auto* real = static_cast<ForgetfulVfs*>(vfs->pAppData)->real_;
    return real->xAccess(real, path, flags, out);
  };
  vfs_.xFullPathname = [](sqlite3_vfs* vfs, const char* path, int size, char* out) {
    auto* real = static_cast<ForgetfulVfs*>(vfs->pAppData)->real_;
    return real->xFullPathname(real, path, size, out);
  };
  sqlite3_vfs_register(&vfs_, 0);
}

ForgetfulVfs::~ForgetfulVfs() { sqlite3_vfs_unregister(&vfs_); }

int ForgetfulVfs::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags,
                       int* out) {
  auto& self = *static_cast<ForgetfulVfs*>(vfs->pAppData);
  file->pMethods = nullptr;
  {
    const std::lock_guard lock(self.mutex_);
    if (!self.has_power_) return SQLITE_CANTOPEN;
  }
  const std::string name = path ? path : "";
  const bool is_new = !std::filesystem::exists(name);
  auto* real = ForgetfulFile::real(file);
  const int status = self.real_->xOpen(self.real_, path, real, flags, out);
  if (status != SQLITE_OK) {
    if (real->pMethods) real->pMethods->xClose(real);
    return status;
  }
  auto* own = new (file) ForgetfulFile{{&methods}, &self, nullptr, name};
  const std::lock_guard lock(self.mutex_);
  own->image = self.image(name, real, is_new);
  return SQLITE_OK;
}

std::shared_ptr<ForgetfulVfs::Image> ForgetfulVfs::image(const std::string& path, sqlite3_file*,
                                                         bool is_new) {
  auto& found = images_[path];
  if (!found || is_new) {
    found = std::make_shared<Image>();
    found->now = contents(path);
    found->is_new = is_new;
  }
  return found;
}

int ForgetfulVfs::begin(Act act) {
  if (has_power_ && acts_++ >= cut_at_) has_power_ = false;
  if (!has_power_) return act == Act::sync ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE;
  if (failing_.times > 0 && failing_.act == act) {
    --failing_.times;
    return failing_.status;
  }
  return SQLITE_OK;
}

int ForgetfulVfs::remove(const char* path, int sync_folder) {
  const std::lock_guard lock(mutex_);
  if (!std::filesystem::exists(path)) return SQLITE_IOERR_DELETE_NOENT;
  if (begin(Act::remove) != SQLITE_OK) return SQLITE_IOERR_DELETE;
  // The real file holds what is durable of it.
  if (sync_folder == 0)
    removed_.insert_or_assign(path, contents(path));
  else
    removed_.clear();
  images_.erase(path);
  return real_->xDelete(real_, path, 0);
}

void ForgetfulVfs::apply(std::string& bytes, const Write& write) {
  if (write.truncated_to) {
    bytes.resize(static_cast<std::size_t>(*write.truncated_to));
    return;
  }
  const auto offset = static_cast<std::size_t>(write.offset);
  if (bytes.size() < offset + write.bytes.size()) bytes.resize(offset + write.bytes.size());
  std::ranges::copy(write.bytes, bytes.begin() + write.offset);
}

std::vector<ForgetfulVfs::Write> ForgetfulVfs::survivors(std::vector<Write> unsynced,
                                                         std::mt19937_64& random) {
  // Nothing, everything, the first ones, or any.
  const auto kind = random() % 4;
  if (kind == 0) return {};
  if (kind == 1) return unsynced;
  if (kind == 2) {
    if (!unsynced.empty()) unsynced.resize(random() % unsynced.size());
    return unsynced;
  }
  std::vector<Write> kept;
  for (auto& write : unsynced) {
    if (write.truncated_to) {
      if (random() % 2 == 0) kept.push_back(std::move(write));
      continue;
    }
    const auto size = static_cast<std::int64_t>(write.bytes.size());
    for (std::int64_t at = 0; at < size; at += sector_bytes) {
      if (random() % 2 == 0) continue;
      kept.push_back({.truncated_to = {},
                      .offset = write.offset + at,
                      .bytes = write.bytes.substr(static_cast<std::size_t>(at), sector_bytes)});
    }
  }
  return kept;
}

void ForgetfulVfs::restore_power(std::mt19937_64& random) {
  const std::lock_guard lock(mutex_);
  for (auto& [path, bytes] : removed_) {
    const bool is_back = random() % 2 == 0;
    if (is_back && !std::filesystem::exists(path)) std::ofstream(path, std::ios::binary) << bytes;
  }
  for (auto& [path, image] : images_) {
    if (!std::filesystem::exists(path)) continue;
    if (image->is_new && random() % 2 == 0) {
      std::filesystem::remove(path);
      continue;
    }
    std::string durable = contents(path);
    for (const auto& write : survivors(std::move(image->unsynced), random)) apply(durable, write);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << durable;
  }
  removed_.clear();
  images_.clear();
  cut_at_ = SIZE_MAX;
  has_power_ = true;
}

}  // namespace store
