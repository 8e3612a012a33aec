// One tab of a browser.
#pragma once

#include "cdp/connection.h"
#include "cdp/limits.h"
#include "cdp/result.h"

#include <memory>
#include <string>
#include <vector>

namespace cdp {

using ContextId = std::int64_t;

struct EvaluateOptions {
  // The page's own world unless named; see Page::isolated_world.
  std::optional<ContextId> context_id = {};
  // Waits for the promise that the expression gives.
  bool await_promise = false;
  Duration limit = limits::command;
};

enum class DialogAnswer { accept, dismiss };
// Where a new init script runs first: in the next document, or in the open one too.
enum class FirstRun { next_document, now };

// Every call ends in a value or an error by its deadline: detached when the tab closes, crashed
// when its renderer does, navigated when its document is replaced, dialog when a dialog blocks it.
// Dialogs are reported, never answered unasked. Destroying a Page lets go of the tab; its running
// calls end with detached.
class Page {
 public:
  // What its running calls share with it.
  struct Tab;

  // Enables the domains Page and Inspector, nothing else.
  static Task<std::unique_ptr<Page>> attach(std::shared_ptr<Connection> connection,
                                            std::string target_id);
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  ~Page();

  const std::string& target_id() const;
  PageState state() const;

  // A raw command.
  Task<json::object> call(std::string method, json::object params = {},
                          Duration limit = limits::command);
  // Events of this tab; their domains must be enabled by `call`, except Page and Inspector.
  Subscription subscribe(std::vector<std::string> methods);

  // The value of an expression, by value: undefined is null; NaN, infinities, -0 and big integers
  // are their text. thrown: the message and its line. navigated: also when the context is gone.
  Task<json::value> evaluate(std::string expression, EvaluateOptions options = {});
  // The value of `declaration` ("function (a, b) {…}") called with these arguments.
  Task<json::value> call_function(ContextId context, std::string declaration,
                                  json::array arguments = {}, EvaluateOptions options = {});

  // Loads a document until its DOMContentLoaded; revives a crashed page. refused: the message names
  // the net::ERR_…; the page then shows the browser's error page.
  Task<> navigate(std::string url, Duration limit = limits::navigation);
  Task<> reload(Duration limit = limits::navigation);

  // A world of the main document that shares its DOM and none of its variables. The same name gives
  // the same world until the document is replaced.
  Task<ContextId> isolated_world(std::string name);
  // Runs in every document, before its own scripts, in the named isolated world or, without a name,
  // in the page's own.
  Task<> add_init_script(std::string source, std::string world_name = {},
                         FirstRun first_run = FirstRun::next_document);
  Task<std::string> main_frame_id();

  // Trusted input, also into a hidden tab. Coordinates are CSS pixels of the viewport.
  Task<> click(double x, double y);
  Task<> insert_text(std::string text);
  // A key by its DOM name ("Enter", "ArrowDown", "a"), after modifiers ("Control+a", "Shift+Tab").
  // invalid: no such key here.
  Task<> press(std::string key);

  // The visible part, as the bytes of a PNG file. The tab comes to the front of its window.
  Task<std::string> screenshot();

  // refused: no dialog is open.
  Task<> handle_dialog(DialogAnswer answer, std::string prompt_text = {});

  // Closes the tab and returns when it has gone. The page's beforeunload is not asked.
  Task<> close();

 private:
  explicit Page(std::shared_ptr<Tab> tab);

  std::shared_ptr<Tab> tab_;
};

}  // namespace cdp
