#include "bridge/chat/dom_watch.h"

#include "bridge/base/limits.h"
#include "bridge/base/scope.h"
#include "bridge/chat/message.h"

#include <array>
#include <functional>
#include <utility>

#include <boost/json/serialize.hpp>

namespace chat {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 5> kind_names = {"end", "finished", "failed", "stopped",
                                                        "sign"};

std::string_view name(DomNews::Kind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

std::optional<DomNews::Kind> kind_named(std::string_view wanted) {
  for (std::size_t i = 0; i < kind_names.size(); ++i) {
    if (kind_names[i] == wanted) return static_cast<DomNews::Kind>(i);
  }
  return std::nullopt;
}

// A reply is often nothing but one block of code.
std::size_t fingerprint(const Turn& answer) {
  std::string all = answer.text;
  for (const auto& block : answer.blocks) all += '\n' + block.text;
  return std::hash<std::string>()(all);
}

std::optional<Turn> last_answer(const json::object& news) {
  const auto* exchange = object_at(news, "exchange");
  const auto* answers = exchange ? exchange->if_contains("answers") : nullptr;
  if (answers == nullptr || !answers->is_array() || answers->get_array().empty()) return {};
  const auto* last = answers->get_array().back().if_object();
  return last ? std::optional(parse_turn(*last)) : std::nullopt;
}

std::string call_of(const DomWatch::Wanted& wanted, const std::set<std::string>& ignored) {
  const json::array ignore(ignored.begin(), ignored.end());
  const json::array ids(wanted.message_ids.begin(), wanted.message_ids.end());
  const json::object argument{
      {"shell", wanted.shell},           {"ids", ids},       {"marker", wanted.marker},
      {"end_marker", wanted.end_marker}, {"ignore", ignore}, {"quiet_ms", wanted.quiet.count()},
      {"limit_ms", wanted.slice.count()}};
  return "watch_reply(" + json::serialize(argument) + ")";
}

}  // namespace

DomWatch::DomWatch(std::shared_ptr<Eyes> eyes, Wanted wanted)
    : eyes_(std::move(eyes)), shared_(std::make_shared<Shared>()) {
  shared_->wanted = std::move(wanted);
  base::spawn_owned(eyes_->executor(), shared_, shared_->cancel, watch(eyes_, shared_));
}

DomWatch::~DomWatch() {
  shared_->is_over = true;
  shared_->cancel.emit(asio::cancellation_type::terminal);
  eyes_->post("stop_watch()");
}

std::optional<DomNews> DomWatch::take() { return std::exchange(shared_->news, std::nullopt); }

void DomWatch::ends_again() {
  using Kind = DomNews::Kind;
  for (const Kind kind : {Kind::end, Kind::finished, Kind::failed, Kind::stopped}) {
    shared_->ignored.erase(std::string(name(kind)));
  }
  shared_->wanted.quiet = std::chrono::milliseconds(0);
  eyes_->post("stop_watch()");
}

asio::awaitable<void> DomWatch::watch(std::shared_ptr<Eyes> eyes, std::shared_ptr<Shared> shared) {
  while (!shared->is_over && !eyes->failure()) {
    auto answer = co_await eyes->run(call_of(shared->wanted, shared->ignored), "watch the answer",
                                     limits::page_wait_slice + limits::page_call, true);
    if (shared->is_over) co_return;
    if (!answer) {
      // A new document is watched like the old one; anything else is the network's to tell.
      if (answer.error().reason == "navigated") continue;
      if (eyes->page().state().kind == cdp::PageState::Kind::dialog) {
        shared->blocked = answer.error();
        eyes->news().notify();
      }
      co_return;
    }
    const auto* object = answer->if_object();
    auto shown = object ? last_answer(*object) : std::nullopt;
    if (shown) {
      const auto now = fingerprint(*shown);
      if (std::exchange(shared->shown, now) != now) ++shared->changes;
    }
    const auto kind = object ? kind_named(text_at(*object, "kind")) : std::nullopt;
    const auto* look = object ? object->if_contains("seen") : nullptr;
    if (!kind || look == nullptr) continue;  // nothing, or replaced
    auto seen = *kind == DomNews::Kind::end ? Sighting() : Sighting::parse(*look);
    if (!seen) co_return;
    shared->ignored.emplace(name(*kind));
    if (*kind == DomNews::Kind::sign) {
      shared->ignored.emplace("dialog");
      for (const auto& sign : seen->signs) shared->ignored.insert(sign.name);
    }
    shared->news = DomNews{*kind, std::move(shown), std::move(*seen)};
    eyes->news().notify();
  }
}

}  // namespace chat
