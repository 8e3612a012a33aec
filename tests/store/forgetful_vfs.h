// A layer under SQLite that loses what was not synced when the power is cut.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <sqlite3.h>

namespace store {

// The real files hold what is durable. What is written reaches them at the next sync of the file; a
// cut leaves of it any part: nothing, all, or some of the writes, the sectors of a write apart.
// Everything else (locks, shared memory, which files there are) is that of the real files.
class ForgetfulVfs {
 public:
  explicit ForgetfulVfs(std::string name);
  ~ForgetfulVfs();
  ForgetfulVfs(const ForgetfulVfs&) = delete;
  ForgetfulVfs& operator=(const ForgetfulVfs&) = delete;
  const std::string& name() const { return name_; }

  enum class Act { write, sync, truncate, remove };

  // Cuts the power when `count` more acts have been done; the one after them fails, as does
  // everything until `restore_power`.
  void cut_after(std::size_t count) { cut_at_ = acts_ + count; }
  bool has_power() const { return has_power_; }
  // Acts since the beginning.
  std::size_t acts() const { return acts_; }
  // Everything that had the files open must be closed. `random` chooses what the cut left.
  void restore_power(std::mt19937_64& random);

  // The next `times` acts of this kind end with SQLite's code `status`.
  void fail(Act act, int status, int times = 1) { failing_ = {act, status, times}; }

 private:
  friend struct ForgetfulFile;
  struct Write {
    std::optional<std::int64_t> truncated_to;  // else bytes at offset
    std::int64_t offset = 0;
    std::string bytes = {};
  };
  struct Image {
    std::string now;  // as the process sees it
    std::vector<Write> unsynced;
    bool is_new = false;
  };
  struct Failing {
    Act act = Act::write;
    int status = SQLITE_OK;
    int times = 0;
  };

  std::shared_ptr<Image> image(const std::string& path, sqlite3_file* real, bool is_new);
  // SQLITE_OK if the act may be done.
  int begin(Act act);
  int remove(const char* path, int sync_folder);
  static void apply(std::string& bytes, const Write& write);
  static std::vector<Write> survivors(std::vector<Write> unsynced, std::mt19937_64& random);
  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out);

  std::string name_;
  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Image>> images_;
  std::map<std::string, std::string> removed_;  // not yet durably; what they held
  std::size_t acts_ = 0;
  std::size_t cut_at_ = SIZE_MAX;
  bool has_power_ = true;
  Failing failing_;
};

}  // namespace store
