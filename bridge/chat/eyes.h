// One tab, watched: the page's traffic goes into a NetworkWatch while others wait for news of it.
#pragma once

#include "bridge/base/notice.h"
#include "bridge/base/result.h"
#include "bridge/chat/network_watch.h"
#include "bridge/chat/profile.h"
#include "cdp/page.h"

#include <memory>
#include <string>

#include <boost/asio/cancellation_signal.hpp>

namespace chat {

// What a failure of the browser means for the page's state and for the caller.
base::Error translate(const cdp::Error& error, std::string_view doing);
// The page state that the tab itself proves, if it is not open.
std::optional<State> state_of(const cdp::PageState& tab);

// Shared with its own reading task, which ends soon after `stop`.
class Eyes : public std::enable_shared_from_this<Eyes> {
 public:
  // Enables what the driver needs in the tab and starts to read. `script` is Profiles::script().
  static base::Task<std::shared_ptr<Eyes>> open(std::unique_ptr<cdp::Page> page, std::string script,
                                                NetworkWatch network);
  // Ends the reading task; the tab stays open.
  void stop();

  cdp::Page& page() { return *page_; }
  NetworkWatch& network() { return network_; }
  base::Notice& news() { return news_; }
  // Why nothing more will be seen, if so.
  const std::optional<base::Error>& failure() const { return failure_; }
  // When the main frame got its present document.
  base::Instant document_since() const { return document_since_; }

  // The value of one call of the page scripts, such as "look({})". invalid: the profiles hold
  // selectors that the browser cannot read; the message names them, their files and places.
  base::Task<base::json::value> run(std::string call, std::string_view doing, cdp::Duration limit,
                                    bool is_promise = false);
  // The same for a call whose outcome does not matter.
  void post(std::string call);
  boost::asio::any_io_executor executor() const { return executor_; }

 private:
  Eyes(std::unique_ptr<cdp::Page> page, std::string script, NetworkWatch network,
       boost::asio::any_io_executor executor);
  static boost::asio::awaitable<void> read_all(std::shared_ptr<Eyes> self);
  boost::asio::awaitable<void> on_event(cdp::Event event);
  boost::asio::awaitable<void> carry_out(NetworkWatch::Order order);
  void on_data(std::string_view params);
  base::Task<cdp::ContextId> world(std::string_view doing);

  boost::asio::any_io_executor executor_;
  std::shared_ptr<cdp::Page> page_;
  std::string script_;
  NetworkWatch network_;
  base::Notice news_;
  cdp::Subscription events_;
  boost::asio::cancellation_signal cancel_;
  std::optional<cdp::ContextId> world_;
  std::optional<base::Error> failure_;
  base::Instant document_since_;
};

}  // namespace chat
