#include "bridge/http/reply_reader.h"

#include "bridge/base/limits.h"

#include <algorithm>
#include <array>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/basic_parser.hpp>

namespace http {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

using Text = boost::core::string_view;

// What the parser may leave for later: a head, the line of a chunk, or what follows the last one.
// Its own bound is for heads alone.
constexpr std::size_t unread_max = limits::http_head_bytes_max + limits::http_read_bytes;

// A reply as it arrives; what its body carries goes to `on_body`.
class ReplyParser final : public beast::http::basic_parser<false> {
 public:
  ReplyParser(ClientReply& reply, std::function<void(std::string_view)> on_body, bool is_head)
      : reply_(reply), on_body_(std::move(on_body)) {
    eager(true);
    header_limit(limits::http_head_bytes_max);
    body_limit(boost::none);
    skip(is_head);
  }

 private:
  using Error = beast::error_code;

  void on_response_impl(int status, Text, int, Error&) override { reply_.status = status; }
  void on_field_impl(beast::http::field, Text name, Text value, Error&) override {
    std::string lower(name.data(), name.size());
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    reply_.headers.emplace_back(std::move(lower), std::string(value.data(), value.size()));
  }
  std::size_t on_body_impl(Text piece, Error&) override { return take(piece); }
  std::size_t on_chunk_body_impl(std::uint64_t, Text piece, Error&) override { return take(piece); }
  void on_request_impl(beast::http::verb, Text, Text, int, Error&) override {}
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  void on_chunk_header_impl(std::uint64_t, Text, Error&) override {}
  void on_finish_impl(Error&) override {}

  std::size_t take(Text piece) {
    on_body_({piece.data(), piece.size()});
    return piece.size();
  }

  ClientReply& reply_;
  std::function<void(std::string_view)> on_body_;
};

}  // namespace

asio::awaitable<ReplyReader::End> ReplyReader::read(Stream& stream, ClientReply& reply) {
  bool goes_on = true;
  ReplyParser parser(
      reply, [&](std::string_view piece) { goes_on = goes_on && on_body_(piece); }, is_head_);
  std::string unread;
  for (int reads = 1; !parser.is_done() && goes_on; ++reads) {
    if (reads % limits::http_reads_at_once == 0) {
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    }
    const auto before = unread.size();
    unread.resize(before + limits::http_read_bytes);
    const auto count = stream.read(std::span(unread).subspan(before));
    unread.resize(before + static_cast<std::size_t>(std::max<std::ptrdiff_t>(count, 0)));
    if (count == Stream::not_now) {
      if (!co_await stream.readable()) co_return End::broken;
      continue;
    }
    beast::error_code error;
    if (count == Stream::gone) {
      if (parser.got_some()) parser.put_eof(error);
      co_return !error && parser.is_done() ? End::whole : End::broken;
    }
    has_heard_ = true;
    // Bytes that the parser left wait for more: an assertion of Beast ends the process when it
    // sees the start of a last chunk again with fewer than five bytes.
    if (before > 0 && unread.size() < 5) continue;
    const auto used = parser.put(asio::buffer(std::as_const(unread)), error);
    unread.erase(0, used);
    has_head_ = parser.is_header_done();
    if (error && error != beast::http::error::need_more) co_return End::broken;
    if (unread.size() > unread_max) co_return End::broken;
  }
  is_kept_open_ = goes_on && parser.keep_alive();
  co_return goes_on ? End::whole : End::stopped;
}

asio::awaitable<bool> write_whole(Stream& stream, std::string_view text) {
  while (!text.empty()) {
    const std::array buffers{asio::const_buffer(text.data(), text.size())};
    const auto count = stream.write(buffers);
    if (count == Stream::gone) co_return false;
    if (count == Stream::not_now && !co_await stream.writable()) co_return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  co_return true;
}

}  // namespace http
