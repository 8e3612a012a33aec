#include "cdp/page.h"

#include "cdp/base64.h"
#include "cdp/tab.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace cdp {
namespace {

using TabPtr = std::shared_ptr<Page::Tab>;

Task<> ignore_value(Task<json::object> call) {
  CO_TRY_OK(co_await std::move(call));
  co_return Result<>();
}

Error thrown(const json::object& details) {
  std::string what = text_in(details, "text");
  if (auto* exception = object_in(details, "exception")) {
    if (auto description = text_in(*exception, "description"); !description.empty()) {
      what = description.substr(0, description.find('\n'));
    } else if (auto* value = exception->if_contains("value")) {
      what = json::serialize(*value);
    }
  }
  auto* line = details.if_contains("lineNumber");
  auto number = line != nullptr && line->is_int64() ? line->get_int64() + 1 : 0;
  return {Failure::thrown, 0, fmt::format("script of the page, line {}: {}", number, quote(what))};
}

Task<json::value> by_value(Task<json::object> call) {
  CO_TRY(auto reply, co_await std::move(call));
  if (auto* details = object_in(reply, "exceptionDetails")) {
    co_return std::unexpected(thrown(*details));
  }
  auto* result = reply.if_contains("result");
  auto* object = result ? result->if_object() : nullptr;
  if (object == nullptr) co_return fail(Failure::invalid, "evaluate: the reply has no result");
  if (auto* value = object->if_contains("value")) co_return std::move(*value);
  if (auto* value = object->if_contains("unserializableValue")) co_return std::move(*value);
  co_return json::value();
}

Task<std::string> find_main_frame(TabPtr tab) {
  CO_TRY(auto reply, co_await tab->call("Page.getFrameTree"));
  auto* tree = object_in(reply, "frameTree");
  auto* frame = tree ? object_in(*tree, "frame") : nullptr;
  if (frame == nullptr) co_return fail(Failure::invalid, "Page.getFrameTree: no frame");
  co_return text_in(*frame, "id");
}

Task<ContextId> make_world(TabPtr tab, std::string name) {
  CO_TRY(auto frame, co_await find_main_frame(tab));
  json::object params{{"frameId", frame}, {"worldName", name}};
  CO_TRY(auto reply, co_await tab->call("Page.createIsolatedWorld", std::move(params)));
  auto* context = reply.if_contains("executionContextId");
  if (context == nullptr || !context->is_int64()) {
    co_return fail(Failure::invalid, "Page.createIsolatedWorld: no context");
  }
  co_return context->get_int64();
}

// Waits until the document of `loader` (any, if empty), or one that replaced it, has been parsed.
Task<> wait_for_document(Subscription events, std::string loader, Clock::time_point deadline) {
  for (bool is_committed = false;;) {
    CO_TRY(auto event, co_await events.next(deadline));
    if (event.method() == "Page.frameNavigated") {
      auto* frame = object_in(event.params(), "frame");
      if (frame == nullptr || frame->contains("parentId")) continue;
      if (loader.empty() || text_in(*frame, "loaderId") == loader) is_committed = true;
    } else if (is_committed && event.method() == "Page.domContentEventFired") {
      co_return Result<>();
    } else if (is_committed && event.method() == "Page.javascriptDialogOpening") {
      co_return fail(
          Failure::dialog,
          fmt::format("the document shows a dialog ({}: {}) while it loads",
                      text_in(event.params(), "type"), quote(text_in(event.params(), "message"))));
    }
  }
}

Subscription document_events(const Page::Tab& tab) {
  return tab.connection->subscribe(tab.session, {"Page.frameNavigated", "Page.domContentEventFired",
                                                 "Page.javascriptDialogOpening"});
}

Error while_doing(std::string_view doing, Error error) {
  error.message = fmt::format("{}: {}", doing, error.message);
  return error;
}

Task<> load(TabPtr tab, std::string url, Duration limit) {
  auto deadline = Clock::now() + limit;
  auto events = document_events(*tab);
  json::object params{{"url", url}};
  CO_TRY(auto reply, co_await tab->call("Page.navigate", std::move(params), limit));
  if (auto text = text_in(reply, "errorText"); !text.empty()) {
    co_return fail(Failure::refused, fmt::format("navigate to {}: {}", quote(url), text));
  }
  auto loader = text_in(reply, "loaderId");
  if (loader.empty()) co_return Result<>();  // Only the fragment changed.
  auto loaded = co_await wait_for_document(std::move(events), std::move(loader), deadline);
  if (loaded) co_return Result<>();
  co_return std::unexpected(while_doing("navigate to " + quote(url), std::move(loaded.error())));
}

Task<> load_again(TabPtr tab, Duration limit) {
  auto deadline = Clock::now() + limit;
  auto events = document_events(*tab);
  CO_TRY_OK(co_await tab->call("Page.reload", {}, limit));
  auto loaded = co_await wait_for_document(std::move(events), {}, deadline);
  if (loaded) co_return Result<>();
  co_return std::unexpected(while_doing("reload", std::move(loaded.error())));
}

Task<std::string> take_screenshot(TabPtr tab) {
  // The browser draws no tab that lies behind another: the command would never end.
  CO_TRY_OK(co_await tab->call("Page.bringToFront", {}));
  json::object params{{"format", "png"}};
  CO_TRY(auto reply, co_await tab->call("Page.captureScreenshot", std::move(params)));
  co_return decode_base64(text_in(reply, "data"));
}

Task<> close_tab(TabPtr tab) {
  auto deadline = Clock::now() + limits::command;
  auto events = tab->connection->subscribe(tab->session, {"Inspector.detached"});
  json::object params{{"targetId", tab->target_id}};
  CO_TRY_OK(
      co_await tab->connection->call("", "Target.closeTarget", std::move(params), limits::command));
  for (;;) {
    auto event = co_await events.next(deadline);
    if (event) continue;
    if (event.error().failure != Failure::timeout) co_return Result<>();
    co_return std::unexpected(while_doing("close the tab", std::move(event.error())));
  }
}

}  // namespace

Task<std::unique_ptr<Page>> Page::attach(std::shared_ptr<Connection> connection,
                                         std::string target_id) {
  json::object params{{"targetId", target_id}, {"flatten", true}};
  CO_TRY(auto attached, co_await connection->call("", "Target.attachToTarget", std::move(params),
                                                  limits::attach_tab));
  std::unique_ptr<Page> page(new Page(std::make_shared<Tab>(
      Tab{connection, std::move(target_id), text_in(attached, "sessionId")})));
  for (const char* method : {"Inspector.enable", "Page.enable"}) {
    auto enabled = co_await page->call(method, {}, limits::attach_tab);
    if (enabled) continue;
    co_return std::unexpected(
        while_doing("attach to tab " + page->target_id(), std::move(enabled.error())));
  }
  co_return page;
}

Page::Page(std::shared_ptr<Tab> tab) : tab_(std::move(tab)) {}

Page::~Page() {
  json::object params{{"sessionId", tab_->session}};
  if (state().kind != PageState::Kind::closed) {
    tab_->connection->post("", "Target.detachFromTarget", params);
  }
}

const std::string& Page::target_id() const { return tab_->target_id; }

PageState Page::state() const { return tab_->connection->state(tab_->session); }

Task<json::object> Page::call(std::string method, json::object params, Duration limit) {
  return tab_->call(std::move(method), std::move(params), limit);
}

Subscription Page::subscribe(std::vector<std::string> methods) {
  return tab_->connection->subscribe(tab_->session, std::move(methods));
}

Task<json::value> Page::evaluate(std::string expression, EvaluateOptions options) {
  json::object params{{"expression", expression}, {"returnByValue", true}};
  if (options.context_id) params["contextId"] = *options.context_id;
  if (options.await_promise) params["awaitPromise"] = true;
  return by_value(call("Runtime.evaluate", std::move(params), options.limit));
}

Task<json::value> Page::call_function(ContextId context, std::string declaration,
                                      json::array arguments, EvaluateOptions options) {
  json::array values;
  for (auto& argument : arguments) values.push_back({{"value", std::move(argument)}});
  json::object params{{"functionDeclaration", declaration},
                      {"executionContextId", context},
                      {"arguments", std::move(values)},
                      {"returnByValue", true}};
  if (options.await_promise) params["awaitPromise"] = true;
  return by_value(call("Runtime.callFunctionOn", std::move(params), options.limit));
}

Task<> Page::navigate(std::string url, Duration limit) { return load(tab_, std::move(url), limit); }

Task<> Page::reload(Duration limit) { return load_again(tab_, limit); }

Task<ContextId> Page::isolated_world(std::string name) { return make_world(tab_, std::move(name)); }

Task<> Page::add_init_script(std::string source, std::string world_name, FirstRun first_run) {
  json::object params{{"source", source}};
  if (!world_name.empty()) params["worldName"] = world_name;
  if (first_run == FirstRun::now) params["runImmediately"] = true;
  return ignore_value(call("Page.addScriptToEvaluateOnNewDocument", std::move(params)));
}

Task<std::string> Page::main_frame_id() { return find_main_frame(tab_); }

Task<std::string> Page::screenshot() { return take_screenshot(tab_); }

Task<> Page::handle_dialog(DialogAnswer answer, std::string prompt_text) {
  json::object params{{"accept", answer == DialogAnswer::accept}};
  if (!prompt_text.empty()) params["promptText"] = prompt_text;
  return ignore_value(call("Page.handleJavaScriptDialog", std::move(params)));
}

Task<> Page::close() { return close_tab(tab_); }

}  // namespace cdp
