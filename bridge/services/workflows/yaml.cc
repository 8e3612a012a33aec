#include "bridge/services/workflows/yaml.h"

#include "bridge/services/workflows/template.h"
#include "bridge/services/workflows/workflow_limits.h"
#include "bridge/services/workflows/yaml_scalar.h"

#include <iterator>
#include <optional>

#include <fmt/format.h>
#include <yaml.h>

namespace workflow {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }

  yaml_event_t* to_fill() {
    yaml_event_delete(&event_);
    return &event_;
  }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_{};
};

std::string text_of(const yaml_char_t* text) {
  return text ? std::string(reinterpret_cast<const char*>(text)) : std::string();
}

Place place_of(const yaml_mark_t& mark) { return {mark.line + 1, mark.column + 1}; }

std::unexpected<base::Error> wrong(const Place& place, std::string_view what) {
  return base::fail(
      Code::invalid,
      fmt::format("not valid YAML at line {}, column {}: {}", place.line, place.column, what),
      "not_yaml");
}

// Makes a value of the parser's events.
class Composer {
 public:
  Composer(std::string_view text, YamlPlaces places) : keeps_places_(places == YamlPlaces::kept) {
    const bool has_begun = yaml_parser_initialize(&parser_) == 1;
    BRIDGE_ASSERT(has_begun);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Composer(const Composer&) = delete;
  Composer& operator=(const Composer&) = delete;
  ~Composer() { yaml_parser_delete(&parser_); }

  Result<Yaml> document() {
    TRY_OK(next());  // the stream's start
    TRY_OK(next());
    if (event_->type == YAML_STREAM_END_EVENT) {
      return wrong(place_of(event_->start_mark), "there is nothing in it");
    }
    TRY_OK(next());
    TRY(yaml_.value, node(1));
    TRY_OK(next());  // the document's end
    TRY_OK(next());
    if (event_->type != YAML_STREAM_END_EVENT) {
      return wrong(place_of(event_->start_mark), "a second document begins here");
    }
    return std::move(yaml_);
  }

 private:
  struct Anchored {
    json::value value;
    std::size_t values = 0;
  };

  Result<> next() {
    if (yaml_parser_parse(&parser_, event_.to_fill()) == 1) return {};
    std::string what = parser_.problem ? parser_.problem : "it cannot be read";
    if (parser_.context) what += fmt::format(" ({})", parser_.context);
    const bool is_of_reader = parser_.error == YAML_READER_ERROR;
    return wrong(place_of(is_of_reader ? parser_.mark : parser_.problem_mark), what);
  }

  Result<> count(std::size_t values) {
    values_ += values;
    if (values_ <= limits::yaml_values_max) return {};
    return wrong(place_of(event_->start_mark),
                 fmt::format("more than {} values", limits::yaml_values_max));
  }

  // The first place counts: of a member it is that of its key.
  void keep_place(const Place& place) {
    if (keeps_places_) yaml_.places.try_emplace(pointer_, place);
  }

  // What the event begins, up to its end.
  Result<json::value> node(std::size_t depth) {
    const Place place = place_of(event_->start_mark);
    keep_place(place);
    if (depth > limits::yaml_depth_max) {
      return wrong(place, fmt::format("more than {} levels", limits::yaml_depth_max));
    }
    if (event_->type == YAML_ALIAS_EVENT) return alias(place);
    TRY_OK(count(1));
    const std::size_t before = values_ - 1;
    std::string anchor;
    json::value made;
    switch (event_->type) {
      case YAML_SCALAR_EVENT: {
        anchor = text_of(event_->data.scalar.anchor);
        TRY(made, scalar(place));
        break;
      }
      case YAML_SEQUENCE_START_EVENT: {
        anchor = text_of(event_->data.sequence_start.anchor);
        TRY_OK(only_tag(event_->data.sequence_start.tag, "seq", place));
        TRY(made, sequence(depth));
        break;
      }
      case YAML_MAPPING_START_EVENT: {
        anchor = text_of(event_->data.mapping_start.anchor);
        TRY_OK(only_tag(event_->data.mapping_start.tag, "map", place));
        TRY(made, mapping(depth));
        break;
      }
      default:
        return wrong(place, "a value was expected");
    }
    if (!anchor.empty()) anchors_[anchor] = {made, values_ - before};
    return made;
  }

  Result<json::value> alias(const Place& place) {
    const std::string name = text_of(event_->data.alias.anchor);
    const auto found = anchors_.find(name);
    if (found == anchors_.end()) {
      return wrong(place, fmt::format("the alias *{} stands for nothing before it", name));
    }
    if (++aliases_ > limits::yaml_aliases_max) {
      return wrong(place, fmt::format("more than {} aliases", limits::yaml_aliases_max));
    }
    TRY_OK(count(found->second.values));
    return found->second.value;
  }

  Result<> only_tag(const yaml_char_t* tag, std::string_view kind, const Place& place) {
    const std::string given = text_of(tag);
    if (given.empty() || given == "!" || given == core_tag(kind)) return {};
    return wrong(place, fmt::format("the tag {} is not known here", given));
  }

  Result<json::value> scalar(const Place& place) {
    const auto& data = event_->data.scalar;
    const std::string_view text(reinterpret_cast<const char*>(data.value), data.length);
    const bool is_plain = data.style == YAML_PLAIN_SCALAR_STYLE;
    auto value = scalar_value(text, text_of(data.tag), is_plain);
    if (!value) return wrong(place, value.error());
    return *std::move(value);
  }

  Result<json::value> sequence(std::size_t depth) {
    json::array items;
    const std::size_t here = pointer_.size();
    for (;;) {
      TRY_OK(next());
      if (event_->type == YAML_SEQUENCE_END_EVENT) return items;
      fmt::format_to(std::back_inserter(pointer_), "/{}", items.size());
      TRY(auto item, node(depth + 1));
      pointer_.resize(here);
      items.push_back(std::move(item));
    }
  }

  Result<json::value> mapping(std::size_t depth) {
    json::object members;
    const std::size_t here = pointer_.size();
    for (;;) {
      TRY_OK(next());
      if (event_->type == YAML_MAPPING_END_EVENT) return members;
      const Place place = place_of(event_->start_mark);
      if (event_->type != YAML_SCALAR_EVENT) return wrong(place, "a key must be a text");
      TRY_OK(count(1));
      const auto& data = event_->data.scalar;
      if (data.length > limits::workflow_key_bytes_max) {
        return wrong(place,
                     fmt::format("a key of more than {} bytes", limits::workflow_key_bytes_max));
      }
      const std::string key(reinterpret_cast<const char*>(data.value), data.length);
      if (data.style == YAML_PLAIN_SCALAR_STYLE && key.empty()) {
        return wrong(place, "a key is missing");
      }
      if (members.contains(key)) {
        return wrong(place, fmt::format("the key \"{}\" comes a second time", key));
      }
      pointer_ += pointer_token(key);
      keep_place(place);
      TRY_OK(next());
      TRY(members[key], node(depth + 1));
      pointer_.resize(here);
    }
  }

  yaml_parser_t parser_{};
  Event event_;
  Yaml yaml_;
  const bool keeps_places_;
  std::string pointer_;  // of what is being read
  std::map<std::string, Anchored> anchors_;
  std::size_t values_ = 0;
  std::size_t aliases_ = 0;
};

}  // namespace

Result<Yaml> parse_yaml(std::string_view text, YamlPlaces places) {
  if (text.size() > limits::yaml_bytes_max) {
    return base::fail(
        Code::invalid,
        fmt::format("YAML of {} bytes: at most {} are read", text.size(), limits::yaml_bytes_max),
        "not_yaml");
  }
  return Composer(text, places).document();
}

}  // namespace workflow
