// Preloaded into a program to make its disk misbehave, without root and without a mount. What it
// does is the word in the file that $FAULTY_DISK names, read at each call; no file: nothing.
//
//   full     writes to files named *.db… fail with ENOSPC
//   short    the same as long as a file *.db.ballast is beside them; nothing more is free
//   fsync    syncs of such files fail with EIO
//   readonly opening such files for writing fails with EROFS
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

// What the program starts has an honest disk.
__attribute__((constructor)) static void begin(void) { unsetenv("LD_PRELOAD"); }

static ssize_t real_write_at(int file, const void* bytes, size_t count, off_t at) {
  static ssize_t (*next)(int, const void*, size_t, off_t);
  if (!next) next = (ssize_t(*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
  return next(file, bytes, count, at);
}

static int real_open(const char* path, int flags, mode_t mode) {
  static int (*next)(const char*, int, ...);
  if (!next) next = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open64");
  return next(path, flags, mode);
}

static int does(const char* word) {
  const char* name = getenv("FAULTY_DISK");
  char text[16] = "";
  if (!name) return 0;
  const int file = real_open(name, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return 0;
  const ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  return count > 0 && strncmp(text, word, strlen(word)) == 0;
}

static int is_database(int file) {
  char link[64];
  char path[PATH_MAX] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  return readlink(link, path, sizeof path - 1) > 0 && strstr(path, ".db") != NULL;
}

// Whether the reserve of the database that this file belongs to is still taken.
static int has_ballast(int file) {
  char link[64];
  char path[PATH_MAX + sizeof ".ballast"] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t count = readlink(link, path, PATH_MAX - 1);
  char* ending = count > 0 ? strstr(path, ".db") : NULL;
  if (!ending) return 0;
  strcpy(ending, ".db.ballast");
  return access(path, F_OK) == 0;
}

static ssize_t write_at(int file, const void* bytes, size_t count, off_t at) {
  if (is_database(file) && (does("full") || (does("short") && has_ballast(file)))) {
    errno = ENOSPC;
    return -1;
  }
  return real_write_at(file, bytes, count, at);
}

ssize_t pwrite(int file, const void* bytes, size_t count, off_t at) {
  return write_at(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void* bytes, size_t count, off64_t at) {
  return write_at(file, bytes, count, at);
}

int posix_fallocate(int file, off_t at, off_t count) {
  if (does("short")) return ENOSPC;
  int (*next)(int, off_t, off_t) = (int (*)(int, off_t, off_t))dlsym(RTLD_NEXT, "posix_fallocate");
  return next(file, at, count);
}

int statvfs(const char* path, struct statvfs* disk) {
  int (*next)(const char*, struct statvfs*) =
      (int (*)(const char*, struct statvfs*))dlsym(RTLD_NEXT, "statvfs");
  const int done = next(path, disk);
  if (done == 0 && does("short")) disk->f_bavail = 0;
  return done;
}

static int sync_by(const char* name, int file) {
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  if (is_database(file) && does("fsync")) {
    errno = EIO;
    return -1;
  }
  return next(file);
}

int fsync(int file) { return sync_by("fsync", file); }
int fdatasync(int file) { return sync_by("fdatasync", file); }

static int open_by(const char* path, int flags, mode_t mode) {
  const int writes = (flags & O_ACCMODE) != O_RDONLY;
  if (writes && strstr(path, ".db") != NULL && does("readonly")) {
    errno = EROFS;
    return -1;
  }
  return real_open(path, flags, mode);
}

#define MODE_OF(flags, mode)                     \
  mode_t mode = 0;                               \
  if ((flags) & (O_CREAT | O_TMPFILE)) {         \
    va_list more;                                \
    va_start(more, flags);                       \
    mode = va_arg(more, mode_t);                 \
    va_end(more);                                \
  }

int open(const char* path, int flags, ...) {
  MODE_OF(flags, mode)
  return open_by(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  MODE_OF(flags, mode)
  return open_by(path, flags, mode);
}
