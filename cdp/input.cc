// Trusted mouse and keyboard input.
#include "cdp/tab.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace cdp {
namespace {

using TabPtr = std::shared_ptr<Page::Tab>;

struct Key {
  std::string_view name;
  std::string_view code;
  int number;  // the Windows virtual key code
  std::string_view text;
};

constexpr std::array<Key, 14> named_keys{{{"Enter", "Enter", 13, "\r"},
                                          {"Tab", "Tab", 9, ""},
                                          {"Escape", "Escape", 27, ""},
                                          {"Backspace", "Backspace", 8, ""},
                                          {"Delete", "Delete", 46, ""},
                                          {"Home", "Home", 36, ""},
                                          {"End", "End", 35, ""},
                                          {"PageUp", "PageUp", 33, ""},
                                          {"PageDown", "PageDown", 34, ""},
                                          {"ArrowLeft", "ArrowLeft", 37, ""},
                                          {"ArrowUp", "ArrowUp", 38, ""},
                                          {"ArrowRight", "ArrowRight", 39, ""},
                                          {"ArrowDown", "ArrowDown", 40, ""},
                                          {"Space", "Space", 32, " "}}};

struct Modifier {
  std::string_view name;
  int bit;
};

constexpr std::array<Modifier, 4> modifiers{
    {{"Alt", 1}, {"Control", 2}, {"Meta", 4}, {"Shift", 8}}};
constexpr int shift = 8;

struct Stroke {
  std::string key;
  std::string code;
  int number = 0;
  std::string text;
  int modifier_bits = 0;
};

Result<Stroke> parse_stroke(std::string_view text) {
  Stroke stroke;
  std::string_view rest = text;
  for (auto plus = rest.find('+'); plus != rest.npos && plus + 1 < rest.size();
       plus = rest.find('+')) {
    auto* modifier = std::ranges::find(modifiers, rest.substr(0, plus), &Modifier::name);
    if (modifier == modifiers.end()) break;
    stroke.modifier_bits |= modifier->bit;
    rest.remove_prefix(plus + 1);
  }
  bool is_typed = (stroke.modifier_bits & ~shift) == 0;
  if (auto* key = std::ranges::find(named_keys, rest, &Key::name); key != named_keys.end()) {
    stroke.key = key->name == "Space" ? " " : key->name;
    stroke.code = key->code;
    stroke.number = key->number;
    if (is_typed) stroke.text = key->text;
    return stroke;
  }
  char c = rest.size() == 1 ? rest.front() : '\0';
  bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  bool is_digit = c >= '0' && c <= '9';
  if (!is_letter && !is_digit) {
    return fail(Failure::invalid, fmt::format("press {:?}: not a key known here", text));
  }
  char upper = is_letter ? static_cast<char>(c & ~0x20) : c;
  stroke.key = rest;
  stroke.code = fmt::format("{}{}", is_letter ? "Key" : "Digit", upper);
  stroke.number = upper;
  if (is_typed) stroke.text = rest;
  return stroke;
}

// Without it a hidden tab never answers a mouse event, and its page believes to be in the dark.
// See PageTest.AHiddenTabTakesAClick.
Task<> emulate_focus(TabPtr tab) {
  json::object params{{"enabled", true}};
  CO_TRY_OK(co_await tab->call("Emulation.setFocusEmulationEnabled", std::move(params)));
  co_return Result<>();
}

// The browser carries out what it is sent in order, so only the last event is waited for.
Task<> click_at(TabPtr tab, double x, double y) {
  tab->connection->post(tab->session, "Emulation.setFocusEmulationEnabled", {{"enabled", true}});
  json::object params{{"type", "mouseMoved"}, {"x", x}, {"y", y}};
  tab->connection->post(tab->session, "Input.dispatchMouseEvent", params);
  params["type"] = "mousePressed";
  params["button"] = "left";
  params["clickCount"] = 1;
  tab->connection->post(tab->session, "Input.dispatchMouseEvent", params);
  params["type"] = "mouseReleased";
  CO_TRY_OK(co_await tab->call("Input.dispatchMouseEvent", std::move(params)));
  co_return Result<>();
}

Task<> insert(TabPtr tab, std::string text) {
  CO_TRY_OK(co_await emulate_focus(tab));
  json::object params{{"text", text}};
  CO_TRY_OK(co_await tab->call("Input.insertText", std::move(params)));
  co_return Result<>();
}

Task<> strike(TabPtr tab, std::string text) {
  CO_TRY(auto stroke, parse_stroke(text));
  CO_TRY_OK(co_await emulate_focus(tab));
  for (bool is_down : {true, false}) {
    json::object params{
        {"type", is_down ? stroke.text.empty() ? "rawKeyDown" : "keyDown" : "keyUp"},
        {"key", stroke.key},
        {"code", stroke.code},
        {"windowsVirtualKeyCode", stroke.number},
        {"modifiers", stroke.modifier_bits}};
    if (is_down && !stroke.text.empty()) params["text"] = stroke.text;
    CO_TRY_OK(co_await tab->call("Input.dispatchKeyEvent", std::move(params)));
  }
  co_return Result<>();
}

}  // namespace

Task<> Page::click(double x, double y) { return click_at(tab_, x, y); }

Task<> Page::insert_text(std::string text) { return insert(tab_, std::move(text)); }

Task<> Page::press(std::string key) { return strike(tab_, std::move(key)); }

}  // namespace cdp
