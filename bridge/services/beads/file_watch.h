// Tells when a file in a folder may have changed, by the kernel's notifications (inotify).
#pragma once

#include "bridge/base/result.h"

#include <filesystem>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace beads {

class FileWatch {
 public:
  // Watches `folder / name`, whether it is there or not: written in place, appended to, truncated,
  // replaced, removed; also when the folder itself goes and comes again.
  static base::Result<std::unique_ptr<FileWatch>> start(boost::asio::any_io_executor executor,
                                                        const std::filesystem::path& folder,
                                                        std::string name);

  // Returns after the file may have changed since the watch started or the last call returned; many
  // changes may be one. A writer that keeps the file open is given a moment to finish.
  base::Task<> changed();

 private:
  enum class Seen { nothing, written, complete };

  FileWatch(boost::asio::any_io_executor executor, int descriptor, std::filesystem::path folder,
            std::string name);
  base::Task<> readable();
  base::Result<Seen> take_events();
  base::Result<> watch_folder();

  boost::asio::posix::stream_descriptor descriptor_;
  std::filesystem::path folder_;
  std::string name_;
  int parent_watch_ = -1;
  int folder_watch_ = -1;
};

}  // namespace beads
