#include "bridge/chat/tab_health.h"

#include "bridge/base/limits.h"

namespace chat {
namespace {

enum class Weight { tells, passes, odd };

bool is_working(const Judgement& judged, Use use) {
  if (judged.can_send || judged.state == State::generating) return true;
  // Between inserting and sending an exchange's own text is in the composer; and its failed turn is
  // for itself to tell.
  return use == Use::leased &&
         (judged.state == State::draft_present || judged.state == State::error_turn ||
          judged.state == State::refused || judged.state == State::stopped);
}

Weight weight_of(const Judgement& judged) {
  if (judged.state == State::hydrating || judged.state == State::reconnecting) {
    return Weight::passes;
  }
  return judged.is_weak ? Weight::odd : Weight::tells;
}

}  // namespace

bool TabHealth::take(const Glance& glance, Use use, base::Instant now) {
  wake_ = base::Instant::max();
  Judgement judged = glance.judged;
  if (!glance.is_over && is_working(judged, use)) {
    judged = {.state = State::ready, .evidence = judged.evidence, .can_send = true};
  } else if (!glance.is_over && !is_blocking(judged)) {
    const Weight weight = weight_of(judged);
    if (weight == Weight::passes) {
      if (!passing_since_) passing_since_ = now;
      if (now - *passing_since_ < limits::page_settles) {
        wake_ = *passing_since_ + limits::page_settles;
        return false;
      }
    } else if (weight == Weight::odd && glance.document_age < limits::unknown_page_grace) {
      wake_ = now + (limits::unknown_page_grace - glance.document_age);
      return false;
    }
  }
  if (judged.state != State::hydrating && judged.state != State::reconnecting) {
    passing_since_.reset();
  }
  const bool is_news = !judged_ || judged_->state != judged.state;
  judged_ = std::move(judged);
  is_decided_ = true;
  looked_ = now;
  loaded_ = now - glance.document_age;
  return is_news;
}

void TabHealth::restart() {
  is_decided_ = false;
  passing_since_.reset();
  wake_ = base::Instant::max();
}

}  // namespace chat
