// flywheel backup and restore: whole stores as files.
#include "bridge/app/command_line.h"
#include "bridge/app/config.h"
#include "bridge/app/daemon_client.h"
#include "bridge/app/held_signals.h"
#include "bridge/app/marker_key.h"
#include "bridge/store/backup.h"
#include "bridge/store/files.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace app {
namespace {

struct StoreOptions {
  BridgeOptions bridge;
  std::optional<std::string> store;
  std::string file;
  bool takes_new_key = false;
};

struct StorePlace {
  std::filesystem::path state;
  std::string store;
};

// The store that `flywheel serve` would open with these options; without a configuration,
// flywheel.db in the state directory.
base::Result<StorePlace> store_place(const StoreOptions& options) {
  auto config = config_for(options.bridge);
  if (config) return StorePlace{config->state, options.store.value_or(config->store)};
  if (config.error().code != base::Code::not_found || options.bridge.config) {
    return std::unexpected(config.error());
  }
  TRY(auto state, state_folder(options.bridge));
  std::string store = options.store.value_or((state / "flywheel.db").string());
  return StorePlace{std::move(state), std::move(store)};
}

// What the store says of a disk or a file: no daemon that is away, as "unavailable" else means.
bool is_about_files(const base::Error& error) {
  static constexpr std::array<std::string_view, 4> reasons = {"full", "readonly", "io",
                                                              "connection"};
  return std::ranges::find(reasons, error.reason) != reasons.end();
}

// A new file that there is no place for.
base::Result<> made(base::Result<> done) {
  if (!done && (done.error().reason == "readonly" || done.error().reason == "connection")) {
    done.error().reason = "file_not_created";
  }
  return done;
}

// A file that was begun is taken away again before the program ends.
int report_failed(Console& console, const base::Error& error, HeldSignals& signals) {
  if (signals.have_come()) {
    print_error(console, "interrupted");
    return exit_interrupted;
  }
  const int status = print_failed(console, error);
  return is_about_files(error) ? exit_io : status;
}

// Beside a running daemon, too: it reads what is committed.
base::Result<std::string> back_up(const StoreOptions& options, HeldSignals& signals) {
  TRY(const StorePlace place, store_place(options));
  const std::string& path = place.store;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return base::fail(base::Code::not_found, fmt::format("back up {}: there is no store", path));
  }
  TRY(auto connection, store::Connection::open(path, store::Access::read, ""));
  TRY_OK(connection->control("BEGIN"));
  TRY_OK(made(
      store::write_backup(*connection, options.file, [&signals] { return signals.have_come(); })));
  return path;
}

int run_backup(Console& console, const StoreOptions& options) {
  HeldSignals signals;
  const auto path = back_up(options, signals);
  if (!path) return report_failed(console, path.error(), signals);
  if (console.is_json) {
    print_json(console, {{"store", *path}, {"backup", options.file}});
  } else {
    console.out << fmt::format("{} is a whole copy of {}\n", options.file, *path);
  }
  return exit_ok;
}

// The store is nothing without the key that its messages are signed with.
base::Result<store::Restored> restore_with_key(const StorePlace& place, const StoreOptions& options,
                                               HeldSignals& signals) {
  const base::WallTime now = base::SystemClock().wall();
  const auto fits = check_marker_key(place.state, options.file);
  // A file that is no store is told below.
  const bool is_other_key = !fits && fits.error().reason == "configuration";
  if (is_other_key && !options.takes_new_key) return std::unexpected(fits.error());
  TRY_OK(made(store::make_folder_of(place.store)));
  store::Restoring how;
  how.stops = [&signals] { return signals.have_come(); };
  if (options.takes_new_key) {
    how.prepare = [&place, now](store::Connection& copy) {
      return accept_marker_key(place.state, copy, now);
    };
  }
  return store::restore(options.file, place.store, now, how);
}

int run_restore(Console& console, const StoreOptions& options) {
  HeldSignals signals;
  const auto place = store_place(options);
  if (!place) return print_failed(console, place.error());
  const auto restored = restore_with_key(*place, options, signals);
  if (!restored) return report_failed(console, restored.error(), signals);
  std::error_code ignored;
  if (!std::filesystem::exists(place->state / "marker.key", ignored)) {
    print_warning(console, fmt::format("put the marker.key of that time into {} before anything "
                                       "starts, or what was sent is not recognised",
                                       place->state.string()));
  }
  if (console.is_json) {
    print_json(console, {{"store", place->store},
                         {"generation", restored->generation},
                         {"replaced", restored->replaced}});
    return exit_ok;
  }
  console.out << fmt::format("{} is back as generation {}\n", place->store, restored->generation);
  if (!restored->replaced.empty()) {
    console.out << fmt::format("what was there before is kept as {}\n", restored->replaced);
  }
  console.err << (options.takes_new_key
                      ? "unfinished packets without a record of their message are held: look for "
                        "them in the conversation\n"
                      : "unfinished packets are looked for in the conversation before any is "
                        "sent\n");
  return exit_ok;
}

// `more` adds the options of one command alone.
void add(CLI::App& root, CommandLine& line, const std::string& name, const std::string& summary,
         const std::string& what, int (*run)(Console&, const StoreOptions&),
         void (*more)(CLI::App&, StoreOptions&) = nullptr) {
  CLI::App* command = add_command(root, name, summary, fmt::format("flywheel {} copy.db", name));
  auto options = std::make_shared<StoreOptions>();
  command->add_option("file", options->file, what)->type_name("FILE")->required();
  add_place(*command, options->bridge);
  command
      ->add_option("--store", options->store,
                   "The SQLite file, where serve was given one (default: the configured one)")
      ->type_name("FILE");
  if (more) more(*command, *options);
  command->callback([options, run, &line] {
    line.run = [options, run](Console& console) { return run(console, *options); };
  });
}

}  // namespace

void add_store_commands(CLI::App& root, CommandLine& line) {
  add(root, line, "backup", "Copy the store to a new file, also while the daemon runs",
      "The new file", run_backup);
  add(root, line, "restore", "Put a backup in the place of the store; the daemon must be stopped",
      "The backup", run_restore, [](CLI::App& command, StoreOptions& options) {
        command.add_flag("--new-marker-key", options.takes_new_key,
                         "The marker.key of the backup is lost: take the one that is there, or a "
                         "new one, and hold what may have been sent");
      });
}

}  // namespace app
