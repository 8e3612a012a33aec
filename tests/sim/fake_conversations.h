// The provider's conversation as the bridge drives it; see World.
#pragma once

#include "tests/sim/world.h"

namespace sim {

class FakeConversations final : public chat::Conversations {
 public:
  explicit FakeConversations(World& world) : world_(world) {}
  base::Task<std::unique_ptr<chat::Conversation>> open(std::string url) override;
  base::Task<base::Instant> alone_since() override;
  base::Task<base::Instant> silence(std::string url) override;

 private:
  World& world_;
};

class FakeConversation final : public chat::Conversation {
 public:
  explicit FakeConversation(World& world) : world_(world), page_(world.generation_of_pages) {
    world_.page_holder = this;
  }
  ~FakeConversation() override {
    if (world_.page_holder == this) world_.page_holder = nullptr;
  }

  base::Task<chat::Judgement> state() override;
  base::Task<chat::Search> find(const chat::Prompt& prompt) override;
  base::Task<chat::Sent> send(const chat::Prompt& prompt, chat::SendSteps& steps) override;
  base::Task<chat::RawReply> reply(const chat::Sent& sent, const chat::Prompt& prompt,
                                   chat::FinishCheck& finish,
                                   base::Instant::duration limit) override;
  base::Task<chat::Settled> settle(const chat::Sent& sent, const chat::Prompt& prompt,
                                   const chat::RawReply& accepted) override;

 private:
  // Silenced pages and those of earlier lives do nothing any more.
  bool is_alive() const { return page_ == world_.generation_of_pages && !world_.is_dead(); }
  base::Task<> way();
  base::Task<chat::Sent> click(const chat::Prompt& prompt, SendFate fate, chat::SendSteps& steps);

  World& world_;
  int page_;
};

}  // namespace sim
