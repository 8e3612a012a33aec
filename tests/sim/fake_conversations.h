// The provider's conversations as the bridge drives them; see World.
#pragma once

#include "tests/sim/world.h"

#include <optional>

namespace sim {

class FakeConversations final : public chat::Conversations {
 public:
  FakeConversations(World& world, const Account& account) : world_(world), account_(account) {}
  base::Task<std::unique_ptr<chat::Conversation>> open(std::string url) override;
  base::Task<base::Instant> alone_since() override;
  base::Task<base::Instant> silence(std::string url) override;

 private:
  World& world_;
  const Account& account_;
};

class FakeConversation final : public chat::Conversation {
 public:
  FakeConversation(World& world, Chat& chat, const std::string& url)
      : world_(world),
        chat_(chat),
        begun_(number_in(url)),
        is_named_(begun_ > 0),
        page_(chat.generation_of_pages),
        is_error_page_(is_load_lost()) {
    if (!world_.is_offline()) shown_ = world_.clock.now();
    chat_.page_holder = this;
  }
  ~FakeConversation() override {
    if (chat_.page_holder == this) chat_.page_holder = nullptr;
  }

  std::string url() const override { return is_named_ ? chat_.url_of(begun_) : chat_.url; }
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
  bool is_alive() const { return page_ == chat_.generation_of_pages && !world_.is_dead(); }
  // What is loaded without network is the browser's own error page; a page that was loaded before
  // does not notice, and shows nothing new.
  bool is_load_lost() const {
    const bool hides_it = world_.trick == Trick::takes_outage_for_silence;
    return world_.is_offline() && !hides_it;
  }
  // What is there now is on the page, and stays there.
  void show() {
    shown_ = world_.clock.now();
    world_.watch.looks(chat_.lane);
  }
  // Of the chats that began at the link, which one this is the address of; 0: of none.
  int number_in(const std::string& url) const;
  const Message* find_here(const std::string& marker) const;
  chat::Sent sent(const Message& message, std::string proof) const;
  base::Task<> way();
  base::Task<> way_to_read();
  std::optional<base::Error> refusal(SendFate fate);
  base::Task<chat::Sent> click(const chat::Prompt& prompt, SendFate fate, chat::SendSteps& steps);
  void begin_turn();
  Chat& other_chat();

  World& world_;
  Chat& chat_;
  int begun_;      // the chat that it shows, of those that began at the link
  bool is_named_;  // … and it knows which
  int page_;
  bool is_error_page_;
  base::Instant shown_ = base::Instant::min();  // what came later is not on the page
  std::optional<Counted> turn_ = {};            // from armed to the end of the answer
  std::string streams_ = {};                    // the marker of what it posted itself
};

}  // namespace sim
