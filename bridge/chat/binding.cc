#include "bridge/chat/binding.h"

#include <boost/url/parse.hpp>
#include <fmt/format.h>

namespace chat {

base::Result<Binding> binding_of(std::string_view url) {
  const auto parsed = boost::urls::parse_uri(url);
  const bool is_web = parsed && (parsed->scheme() == "http" || parsed->scheme() == "https" ||
                                 parsed->scheme() == "file");
  if (!is_web) {
    return base::fail(base::Code::invalid,
                      fmt::format("\"{}\" is no address of a conversation; it looks like "
                                  "https://chatgpt.com/c/<id>",
                                  url));
  }
  // Such an address leads to no new document where the page is already open, so nothing would ever
  // be read afresh.
  if (parsed->has_fragment()) {
    return base::fail(
        base::Code::invalid,
        fmt::format("\"{}\" names a place inside a page; leave out the \"#\" and what follows it",
                    url));
  }
  Binding bound;
  bound.origin = std::string(parsed->scheme()) + "://" + std::string(parsed->encoded_authority());
  bound.path = std::string(parsed->encoded_path());
  if (bound.path.empty()) bound.path = "/";
  return bound;
}

bool is_new_chat(std::string_view path) { return path.find("/c/") == std::string_view::npos; }

std::string conversation_in(std::string_view path) {
  const auto at = path.find("/c/");
  return at == std::string_view::npos ? "" : std::string(path.substr(at + 3));
}

}  // namespace chat
