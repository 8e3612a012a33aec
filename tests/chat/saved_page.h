// A page from a file, looked at through the driver's eyes.
#pragma once

#include "tests/chat/conversation_fixture.h"

#include <filesystem>
#include <fstream>

namespace chat_test {

// The code that the page shows, of its turns or, without a known shell, of all of it.
inline std::vector<std::string> code_of(const chat::Sighting& seen) {
  std::vector<std::string> code;
  for (const auto& turn : seen.turns) {
    for (const auto& block : turn.blocks) code.push_back(block.text);
  }
  for (const auto& block : seen.loose_blocks) code.push_back(block.text);
  return code;
}

// As a signed-in person's page at its own address.
inline chat::State state_of(const chat::Sighting& seen) {
  chat::NetworkEvidence network;
  network.signed_in = true;
  return chat::judge(seen, network, {"file://", seen.path}).state;
}

// Opens every file in one tab after the other.
inline void look_at_files(
    const std::vector<std::filesystem::path>& files,
    const std::function<void(const std::filesystem::path&, const chat::Sighting&)>& seen) {
  cdp_test::TemporaryDirectory profile;
  run([&]() -> Story {
    auto browser = must(co_await cdp::Browser::launch({.profile_dir = profile.path()}));
    const auto profiles = must_be(chat::Profiles::load({}));
    base::SystemClock clock;
    for (const auto& file : files) {
      auto page = must(co_await browser->open("about:blank"));
      auto chat = must_be(co_await chat::ChatPage::open(std::move(page), profiles,
                                                        {.url = "file://" + file.string()}, clock));
      seen(file, must_be(co_await chat->look(200)));
      (void)co_await chat->page().close();
    }
  });
}

}  // namespace chat_test
