// Bytes that were read and not yet taken.
#pragma once

#include "cdp/limits.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include <boost/asio/buffer.hpp>

namespace cdp {

// Grows by doubling (realloc moves pages, it does not copy them) up to `bytes_max`, and shrinks
// again after a large message.
class ReadBuffer {
 public:
  explicit ReadBuffer(std::size_t bytes_max) : bytes_max_(bytes_max) {
    resize(limits::read_buffer_bytes);
  }

  // What was read and not yet taken; valid until `space`.
  std::string_view bytes() const { return {bytes_.get() + begin_, end_ - begin_}; }
  char* data() { return bytes_.get() + begin_; }
  void take(std::size_t count) { begin_ += count; }

  // Room for the next read; empty when bytes_max are waiting.
  boost::asio::mutable_buffer space() {
    if (begin_ > 0) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      if (end_ <= limits::read_buffer_bytes / 2 && size_ > limits::read_buffer_bytes_kept_max) {
        resize(limits::read_buffer_bytes);
      }
    }
    if (end_ == size_ && size_ < bytes_max_) resize(std::min(size_ * 2, bytes_max_));
    return {bytes_.get() + end_, size_ - end_};
  }

  void filled(std::size_t count) { end_ += count; }

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };

  void resize(std::size_t size) {
    auto* bytes = static_cast<char*>(std::realloc(bytes_.get(), size));
    if (bytes == nullptr) throw std::bad_alloc();
    static_cast<void>(bytes_.release());
    bytes_.reset(bytes);
    size_ = size;
  }

  std::unique_ptr<char, Free> bytes_;
  std::size_t bytes_max_;
  std::size_t size_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace cdp
