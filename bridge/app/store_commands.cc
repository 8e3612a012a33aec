// flywheel backup and restore: whole stores as files.
#include "bridge/app/command_line.h"
#include "bridge/app/config.h"
#include "bridge/app/daemon_client.h"
#include "bridge/store/backup.h"

#include <atomic>
#include <memory>

#include <fmt/format.h>

namespace app {
namespace {

struct StoreOptions {
  BridgeOptions bridge;
  std::string file;
};

// The store of the configuration, or flywheel.db in the state directory.
base::Result<std::string> store_path(const BridgeOptions& options) {
  if (!options.state) {
    if (auto config = config_for(options)) return config->store;
  }
  TRY(const auto state, state_folder(options));
  return (state / "flywheel.db").string();
}

// Beside a running daemon, too: it reads what is committed.
base::Result<std::string> back_up(const StoreOptions& options) {
  TRY(const std::string path, store_path(options.bridge));
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return base::fail(base::Code::not_found, fmt::format("back up {}: there is no store", path));
  }
  TRY(auto connection, store::Connection::open(path, store::Access::read, ""));
  const std::atomic<bool> is_closing = false;
  TRY_OK(connection->control("BEGIN"));
  TRY_OK(store::write_backup(*connection, options.file, is_closing));
  TRY_OK(store::check_file(options.file));
  return path;
}

int run_backup(Console& console, const StoreOptions& options) {
  const auto path = back_up(options);
  if (!path) return print_failed(console, path.error());
  if (console.is_json) {
    print_json(console, {{"store", *path}, {"backup", options.file}});
  } else {
    console.out << fmt::format("{} is a whole copy of {}\n", options.file, *path);
  }
  return exit_ok;
}

int run_restore(Console& console, const StoreOptions& options) {
  const auto path = store_path(options.bridge);
  if (!path) return print_failed(console, path.error());
  const auto restored = store::restore(options.file, *path, base::SystemClock().wall());
  if (!restored) return print_failed(console, restored.error());
  if (console.is_json) {
    print_json(
        console,
        {{"store", *path}, {"generation", restored->generation}, {"replaced", restored->replaced}});
    return exit_ok;
  }
  console.out << fmt::format("{} is back as generation {}\n", *path, restored->generation);
  if (!restored->replaced.empty()) {
    console.out << fmt::format("what was there before is kept as {}\n", restored->replaced);
  }
  console.err << "unfinished packets are looked for in the conversation before any is sent\n";
  return exit_ok;
}

void add(CLI::App& root, CommandLine& line, const std::string& name, const std::string& summary,
         const std::string& what, int (*run)(Console&, const StoreOptions&)) {
  CLI::App* command = add_command(root, name, summary, fmt::format("flywheel {} copy.db", name));
  auto options = std::make_shared<StoreOptions>();
  command->add_option("file", options->file, what)->type_name("FILE")->required();
  add_place(*command, options->bridge);
  command->callback([options, run, &line] {
    line.run = [options, run](Console& console) { return run(console, *options); };
  });
}

}  // namespace

void add_store_commands(CLI::App& root, CommandLine& line) {
  add(root, line, "backup", "Copy the store to a new file, also while the daemon runs",
      "The new file", run_backup);
  add(root, line, "restore", "Put a backup in the place of the store; the daemon must be stopped",
      "The backup", run_restore);
}

}  // namespace app
