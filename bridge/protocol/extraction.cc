#include "bridge/protocol/extraction.h"

#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/finish_line.h"
#include "bridge/protocol/markdown.h"
#include "bridge/protocol/object_finder.h"
#include "bridge/protocol/text.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

namespace protocol {
namespace {

using base::Code;
using base::fail;

// A stretch of the reply in which objects are looked for.
struct Region {
  Route route = Route::prose;
  std::string name;  // "the json code block", for messages
  std::string_view text;
  int line = 1;           // of its first line in the reply
  bool may_go_on = true;  // false if it was closed, so that nothing can be cut off
};

struct Candidate {
  json::object value;
  Route route;
  std::string name;
  bool has_invisible;
};

// Something that looked like an object and is none.
struct Trouble {
  std::size_t size = 0;
  bool is_cut_off = false;
  std::string message;
};

// Says where in the reply something stands. All of a region's objects together cost no more than
// one reading of it, since they are asked for in their order.
class Places {
 public:
  explicit Places(const Region& region) : region_(region) {}

  std::string of(std::size_t offset) {
    if (offset < at_) at_ = breaks_ = line_start_ = 0;
    for (; at_ < offset; ++at_) {
      if (region_.text[at_] != '\n') continue;
      ++breaks_;
      line_start_ = at_ + 1;
    }
    return fmt::format("{}, line {}, column {}", region_.name, std::size_t(region_.line) + breaks_,
                       offset - line_start_ + 1);
  }

 private:
  const Region& region_;
  std::size_t at_ = 0;
  std::size_t breaks_ = 0;
  std::size_t line_start_ = 0;
};

class Search {
 public:
  void look(const Region& region) {
    ObjectFinder finder;
    finder.feed(region.text);
    Places places(region);
    for (const auto& span : finder.found()) take(region, span, places);
    if (const auto& broken = finder.longest_broken()) {
      note({broken->at - broken->begin, false,
            fmt::format("{} in {}", broken->problem, places.of(broken->at))});
    }
    if (const auto begin = finder.open_since()) {
      const std::string where = places.of(*begin);
      note({region.text.size() - *begin, region.may_go_on,
            fmt::format("the object that begins in {} is not closed", where)});
    }
  }

  const std::vector<Candidate>& candidates() const { return candidates_; }
  const std::optional<Trouble>& trouble() const { return trouble_; }
  std::size_t longest_object() const { return longest_object_; }

 private:
  void take(const Region& region, const ObjectFinder::Span& span, Places& places) {
    const std::string_view text = region.text.substr(span.begin, span.end - span.begin);
    auto value = base::parse_json(span.has_invisible ? without_invisible(text) : std::string(text));
    if (!value) {
      return note({text.size(), false,
                   fmt::format("the object that begins in {} is {}", places.of(span.begin),
                               value.error().message)});
    }
    longest_object_ = std::max(longest_object_, text.size());
    if (candidates_.size() == limits::reply_objects_max || has(value->get_object())) return;
    by_hash_.emplace(std::hash<json::object>()(value->get_object()), candidates_.size());
    candidates_.push_back(
        {std::move(value->get_object()), region.route, region.name, span.has_invisible});
  }

  bool has(const json::object& object) const {
    const auto [begin, end] = by_hash_.equal_range(std::hash<json::object>()(object));
    return std::any_of(begin, end,
                       [&](const auto& one) { return candidates_[one.second].value == object; });
  }

  void note(Trouble trouble) {
    if (!trouble_ || trouble.size > trouble_->size) trouble_ = std::move(trouble);
  }

  std::vector<Candidate> candidates_;
  std::unordered_multimap<std::size_t, std::size_t> by_hash_;  // places in candidates_
  std::optional<Trouble> trouble_;
  std::size_t longest_object_ = 0;
};

std::string names_of(const std::vector<const Candidate*>& candidates) {
  constexpr std::size_t named_max = 4;
  std::string out;
  for (std::size_t i = 0; i < candidates.size() && i < named_max; ++i) {
    out += (i ? ", " : "") + candidates[i]->name;
  }
  return candidates.size() > named_max ? out + ", …" : out;
}

// The only object in a block marked as JSON, else the only one in a code block, else the only one.
const Candidate* only_of_the_likeliest_kind(const std::vector<const Candidate*>& candidates) {
  const auto in_prose = [](Route route) {
    return route == Route::prose || route == Route::dom_text;
  };
  const std::function<bool(Route)> kinds[] = {
      [](Route route) { return route == Route::fenced_json; },
      [&](Route route) { return !in_prose(route); },
      [](Route) { return true; },
  };
  for (const auto& is_of_kind : kinds) {
    std::vector<const Candidate*> some;
    for (const Candidate* candidate : candidates) {
      if (is_of_kind(candidate->route)) some.push_back(candidate);
    }
    if (some.size() == 1) return some.front();
  }
  return nullptr;
}

base::Result<const Candidate*> choose(const Search& search, bool is_end_marked,
                                      const Accepts& accepts) {
  std::vector<const Candidate*> all;
  std::vector<const Candidate*> acceptable;
  for (const Candidate& candidate : search.candidates()) {
    all.push_back(&candidate);
    if (accepts(candidate.value)) acceptable.push_back(&candidate);
  }
  if (acceptable.size() == 1) return acceptable.front();
  if (acceptable.size() > 1) {
    return fail(Code::invalid,
                fmt::format("extract the reply: {} different objects answer the request ({}); "
                            "there must be one",
                            acceptable.size(), names_of(acceptable)),
                "ambiguous");
  }
  // What was meant as the reply is the longest thing that looks like an object.
  const auto& trouble = search.trouble();
  if (trouble && trouble->size > search.longest_object()) {
    const bool is_incomplete = trouble->is_cut_off && !is_end_marked;
    return fail(Code::invalid,
                fmt::format("extract the reply: {}{}", trouble->message,
                            is_incomplete ? ": the reply was cut off" : ""),
                is_incomplete ? "incomplete" : "invalid_json");
  }
  if (all.empty()) {
    return fail(Code::invalid, "extract the reply: there is no JSON object in it", "no_json");
  }
  if (const Candidate* meant = only_of_the_likeliest_kind(all)) return meant;
  return fail(Code::invalid,
              fmt::format("extract the reply: none of the {} objects ({}) answers the request; "
                          "there must be one",
                          all.size(), names_of(all)),
              "ambiguous");
}

base::Result<Extraction> conclude(const Search& search, bool is_end_marked,
                                  const Accepts& accepts) {
  TRY(const Candidate* chosen, choose(search, is_end_marked, accepts));
  Extraction out{chosen->value, chosen->route, is_end_marked, {}};
  if (chosen->has_invisible) {
    out.warnings.push_back(
        "invisible characters or citation marks between the JSON tokens were removed");
  }
  if (search.candidates().size() > 1) {
    out.warnings.push_back(fmt::format("{} other JSON objects in the reply were ignored",
                                       search.candidates().size() - 1));
  }
  return out;
}

bool has_last_line(std::string_view text, std::string_view end_marker) {
  LastLine last(end_marker);
  last.feed(text);
  return last.is_wanted();
}

std::string block_name(std::size_t index, std::string_view language) {
  return language.empty() ? fmt::format("code block {}", index + 1)
                          : fmt::format("code block {} ({})", index + 1, language.substr(0, 32));
}

base::Error too_long() {
  return {Code::invalid,
          fmt::format("extract the reply: longer than {} bytes", limits::reply_bytes_max),
          "too_long"};
}

}  // namespace

std::string_view name(Route route) {
  switch (route) {
    case Route::fenced_json:
      return "fenced_json";
    case Route::fenced:
      return "fenced";
    case Route::indented:
      return "indented";
    case Route::prose:
      return "prose";
    case Route::dom_block:
      return "dom_block";
    case Route::dom_text:
      return "dom_text";
  }
  return "";
}

base::Result<Extraction> extract(std::string_view markdown, std::string_view end_marker,
                                 const Accepts& accepts) {
  if (markdown.size() > limits::reply_bytes_max) return std::unexpected(too_long());
  const MarkdownParts parts = markdown_parts(markdown);
  const bool is_end_marked = has_last_line(markdown, end_marker);
  Search search;
  bool is_fence_open = false;
  for (std::size_t i = 0; i < parts.blocks.size(); ++i) {
    const CodeBlock& block = parts.blocks[i];
    const Route route = !block.is_fenced           ? Route::indented
                        : block.language == "json" ? Route::fenced_json
                                                   : Route::fenced;
    search.look({route, block_name(i, block.language), block.text, block.line, !block.is_closed});
    is_fence_open |= !block.is_closed;
  }
  search.look({Route::prose, "the text", parts.outside_fences, 1, true});
  if (is_fence_open && !is_end_marked) {
    return fail(Code::invalid,
                "extract the reply: the reply was cut off inside a code block, without the end "
                "marker",
                "incomplete");
  }
  TRY(Extraction out, conclude(search, is_end_marked, accepts));
  if (is_fence_open) out.warnings.push_back("a code block is not closed");
  return out;
}

base::Result<Extraction> extract(const SeenReply& reply, std::string_view end_marker,
                                 const Accepts& accepts) {
  std::size_t size = reply.text.size();
  for (const SeenBlock& block : reply.blocks) size += block.text.size();
  if (size > limits::reply_bytes_max || reply.blocks.size() > limits::reply_blocks_max) {
    return std::unexpected(too_long());
  }
  const bool is_end_marked = has_last_line(reply.text, end_marker);
  Search search;
  for (std::size_t i = 0; i < reply.blocks.size(); ++i) {
    const SeenBlock& block = reply.blocks[i];
    search.look({Route::dom_block, block_name(i, block.language), block.text, 1, true});
  }
  search.look({Route::dom_text, "the text", reply.text, 1, true});
  return conclude(search, is_end_marked, accepts);
}

}  // namespace protocol
