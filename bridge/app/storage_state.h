// Playwright's storageState.json: cookies and local storage of a signed-in session.
#pragma once

#include "bridge/app/console.h"
#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "cdp/browser.h"

#include <memory>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

namespace app {

struct StorageState {
  struct Origin {
    std::string url;
    std::vector<std::pair<std::string, std::string>> items;
  };
  boost::json::array cookies;       // as Storage.setCookies takes them
  std::size_t session_cookies = 0;  // of these: they got an end, to be kept at all
  std::size_t expired_cookies = 0;  // left out
  std::vector<Origin> origins;
};

struct Imported {
  std::size_t cookies = 0;
  std::size_t items = 0;
};

// A session cookie would end with the browser that imports it; it is kept for
// limits::session_cookie_kept instead, from `now` on.
// invalid: the file is no storage state; the message names the place, never a value.
base::Result<StorageState> read_storage_state(Console& console, const std::string& path,
                                              base::WallTime now);

// Nothing is asked of the sites: their storage is entered through empty pages made here. The tab
// that shows them is closed in any case.
base::Task<Imported> import_storage_state(std::shared_ptr<cdp::Browser> browser,
                                          const StorageState& storage);

}  // namespace app
