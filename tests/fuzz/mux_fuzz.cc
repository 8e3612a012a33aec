// Whatever a browser sends, the mux stays consistent: no call is settled twice, none is lost.
#include "cdp/mux.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// A mux with sessions, a few calls in flight and one abandoned.
struct Scene {
  Scene() {
    for (std::string_view session : {"s1", "s2"}) {
      cdp::json::object params{{"sessionId", session}, {"targetInfo", {{"targetId", "t"}}}};
      static_cast<void>(mux.feed(fmt::format(
          R"({{"method":"Target.attachedToTarget","params":{}}})", cdp::json::serialize(params))));
      for (std::string_view method : {"Runtime.evaluate", "Page.navigate"}) {
        waiting.insert(mux.command(session, method, {})->id);
      }
    }
    mux.abandon(mux.command("s1", "Runtime.evaluate", {})->id);
  }

  void note(const cdp::Mux::Settled& settled) { require(waiting.erase(settled.id) == 1); }

  cdp::Mux mux;
  std::set<cdp::CallId> waiting;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Scene scene;
  while (!text.empty()) {
    auto end = std::min(text.find('\0'), text.size());
    auto message = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto happened = scene.mux.feed(message);
    if (!happened) break;
    for (const auto& settled : happened->settled) scene.note(settled);
    require(scene.mux.waiting() == scene.waiting.size());
    if (happened->event) {
      auto params = happened->event->params;
      require(params.empty() || (params.data() >= message.data() &&
                                 params.data() + params.size() <= message.data() + message.size()));
    }
  }
  for (const auto& settled : scene.mux.close({cdp::Failure::closed, 0, "over"})) {
    scene.note(settled);
  }
  require(scene.waiting.empty());
  return 0;
}
