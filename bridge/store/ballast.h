// Space kept free for the moment when the disk is full.
#pragma once

#include "bridge/base/result.h"

#include <atomic>
#include <string>

namespace store {

class Ballast {
 public:
  // No file and nothing to release if `bytes` is 0.
  Ballast(std::string path, std::size_t bytes);

  // The disk is full: gives the space back to it. True if there was something to give.
  bool release();
  // Takes the space again if the disk has plenty; cheap if nothing is to be done.
  void restore();
  // True while the space is given away. From any thread.
  bool is_released() const { return is_released_; }

 private:
  bool take();

  std::string path_;
  std::size_t bytes_;
  std::atomic<bool> is_released_ = false;
};

}  // namespace store
