// Whether the page shows what the provider sent. Pure.
#pragma once

#include "bridge/chat/conversation.h"
#include "bridge/chat/state.h"

#include <string>
#include <string_view>
#include <vector>

namespace chat {

// In what the page differs from the answer's Markdown, in words for a person; empty: in nothing.
// Every code block that the page shows must be in the answer, apart from its indentation. Without
// code the letters and digits that the page shows must come in the answer in the same order: what
// Markdown draws otherwise is no difference.
std::vector<std::string> differences(const Turn& shown, std::string_view markdown);

// In what the page differs from the answer that was read from it before.
std::vector<std::string> changes(const RawReply& read, const Turn& shown);

}  // namespace chat
