// What a page's calls share; they may outlive the Page.
#pragma once

#include "cdp/page.h"

namespace cdp {

struct Page::Tab {
  Task<json::object> call(std::string method, json::object params = {},
                          Duration limit = limits::command) const {
    return connection->call(session, std::move(method), std::move(params), limit);
  }

  const std::shared_ptr<Connection> connection;
  const std::string target_id;
  const std::string session;
};

}  // namespace cdp
