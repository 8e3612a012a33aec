#include "bridge/store/gathering_vfs.h"

#include <new>

#include <fmt/format.h>
#include <sqlite3.h>

namespace store {
namespace {

// More of one commit goes to the file in pieces. SQLite's own layer writes less than 128 KiB at
// once, and of more than that the wrong part.
constexpr std::size_t gathered_bytes_max = 120u << 10;

// SQLite allocates it; the file of the layer below lies behind it in the same memory.
struct GatheringFile {
  sqlite3_file base;
  std::string bytes;         // not yet in the file below
  sqlite3_int64 offset = 0;  // where they belong

  static GatheringFile& of(sqlite3_file* file) { return *reinterpret_cast<GatheringFile*>(file); }
  static sqlite3_file* below(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(GatheringFile));
  }

  // What cannot be written is forgotten: SQLite undoes the transaction that wrote it.
  static int flush(sqlite3_file* file) {
    auto& self = of(file);
    if (self.bytes.empty()) return SQLITE_OK;
    const int status = below(file)->pMethods->xWrite(
        below(file), self.bytes.data(), static_cast<int>(self.bytes.size()), self.offset);
    self.bytes.clear();
    return status;
  }

  static int close(sqlite3_file* file) {
    const int flushed = flush(file);
    const int closed = below(file)->pMethods->xClose(below(file));
    of(file).~GatheringFile();
    return flushed == SQLITE_OK ? closed : flushed;
  }

  static int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    auto& self = of(file);
    const auto count = static_cast<std::size_t>(size);
    const bool follows = offset == self.offset + static_cast<sqlite3_int64>(self.bytes.size());
    if (!follows || self.bytes.size() + count > gathered_bytes_max) {
      if (const int status = flush(file); status != SQLITE_OK) return status;
    }
    if (self.bytes.empty()) self.offset = offset;
    self.bytes.append(static_cast<const char*>(from), count);
    return SQLITE_OK;
  }

  static int read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
    if (const int status = flush(file); status != SQLITE_OK) return status;
    return below(file)->pMethods->xRead(below(file), to, size, offset);
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    if (const int status = flush(file); status != SQLITE_OK) return status;
    return below(file)->pMethods->xTruncate(below(file), size);
  }
  static int sync(sqlite3_file* file, int flags) {
    if (const int status = flush(file); status != SQLITE_OK) return status;
    return below(file)->pMethods->xSync(below(file), flags);
  }
  static int size(sqlite3_file* file, sqlite3_int64* bytes) {
    if (const int status = flush(file); status != SQLITE_OK) return status;
    return below(file)->pMethods->xFileSize(below(file), bytes);
  }

  static int lock(sqlite3_file* file, int level) {
    return below(file)->pMethods->xLock(below(file), level);
  }
  static int unlock(sqlite3_file* file, int level) {
    return below(file)->pMethods->xUnlock(below(file), level);
  }
  static int reserved(sqlite3_file* file, int* out) {
    return below(file)->pMethods->xCheckReservedLock(below(file), out);
  }
  static int control(sqlite3_file* file, int operation, void* value) {
    return below(file)->pMethods->xFileControl(below(file), operation, value);
  }
  static int sector(sqlite3_file* file) { return below(file)->pMethods->xSectorSize(below(file)); }
  static int device(sqlite3_file* file) {
    return below(file)->pMethods->xDeviceCharacteristics(below(file));
  }
};

// A log has neither shared memory nor mapped pages of its own.
constexpr sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = &GatheringFile::close,
    .xRead = &GatheringFile::read,
    .xWrite = &GatheringFile::write,
    .xTruncate = &GatheringFile::truncate,
    .xSync = &GatheringFile::sync,
    .xFileSize = &GatheringFile::size,
    .xLock = &GatheringFile::lock,
    .xUnlock = &GatheringFile::unlock,
    .xCheckReservedLock = &GatheringFile::reserved,
    .xFileControl = &GatheringFile::control,
    .xSectorSize = &GatheringFile::sector,
    .xDeviceCharacteristics = &GatheringFile::device,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

}  // namespace

// Of the layer below in all but name, size and `xOpen`; so its functions find what is theirs.
struct GatheringVfs::Layer : sqlite3_vfs {
  explicit Layer(sqlite3_vfs* below_) : sqlite3_vfs(*below_), below(below_) {
    own_name = fmt::format("gathering-{}", static_cast<const void*>(this));
    zName = own_name.c_str();
    pNext = nullptr;
    szOsFile = static_cast<int>(sizeof(GatheringFile)) + below->szOsFile;
    xOpen = &Layer::open;
  }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out) {
    auto* below = static_cast<Layer*>(vfs)->below;
    if ((flags & SQLITE_OPEN_WAL) == 0) return below->xOpen(below, path, file, flags, out);
    file->pMethods = nullptr;
    auto* real = GatheringFile::below(file);
    const int status = below->xOpen(below, path, real, flags, out);
    if (status != SQLITE_OK) {
      if (real->pMethods) real->pMethods->xClose(real);
      return status;
    }
    new (file) GatheringFile{.base = {&methods}, .bytes = {}};
    return SQLITE_OK;
  }

  sqlite3_vfs* below;
  std::string own_name;
};

std::unique_ptr<GatheringVfs> GatheringVfs::over(const std::string& below) {
  sqlite3_initialize();
  auto* found = sqlite3_vfs_find(below.empty() ? nullptr : below.c_str());
  if (!found) return nullptr;
  return std::unique_ptr<GatheringVfs>(new GatheringVfs(std::make_unique<Layer>(found)));
}

GatheringVfs::GatheringVfs(std::unique_ptr<Layer> layer) : layer_(std::move(layer)) {
  sqlite3_vfs_register(layer_.get(), 0);
}

GatheringVfs::~GatheringVfs() { sqlite3_vfs_unregister(layer_.get()); }

const char* GatheringVfs::name() const { return layer_->zName; }

}  // namespace store
