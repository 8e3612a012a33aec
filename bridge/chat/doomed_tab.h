// A tab of ours in a browser, closed however the work in it ends.
#pragma once

#include "cdp/browser.h"

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

namespace chat {

class DoomedTab {
 public:
  // The tab need not be there yet: where whoever opens it leaves meanwhile, the browser is kept
  // until it has told which one it has made. Without a browser it closes nothing.
  DoomedTab(boost::asio::any_io_executor executor, std::shared_ptr<cdp::Browser> browser,
            std::string target = {});
  DoomedTab(const DoomedTab&) = delete;
  DoomedTab& operator=(const DoomedTab&) = delete;
  // Closes it in the background, with the browser kept until then.
  ~DoomedTab();

  void becomes(std::string target) { target_ = std::move(target); }
  // It has gone, or somebody else answers for it.
  void spare() { browser_.reset(); }
  bool is_doomed() const { return browser_ != nullptr; }

 private:
  boost::asio::any_io_executor executor_;
  std::shared_ptr<cdp::Browser> browser_;
  std::string target_;
};

}  // namespace chat
