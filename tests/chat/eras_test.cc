// Code blocks as the page has drawn them over the years are read to the letter.
#include "tests/chat/saved_page.h"

#include <gtest/gtest.h>

namespace chat_test {
namespace {

struct Era {
  const char* name;
  const char* body;
  std::vector<std::string> code;
  const char* shell;
};

const std::vector<Era> eras = {
    {"header in the block",
     R"(<div class="group"><div class="markdown"><pre><div><div><span>json</span>
<button>Copy code</button></div><div><code class="hljs language-json">{
  <span>"a"</span>: 1
}
</code></div></div></pre></div></div>)",
     {"{\n  \"a\": 1\n}\n"},
     ""},
    {"bare label",
     R"(<article data-testid="conversation-turn-2"><div data-message-author-role="assistant">
<div class="markdown"><pre><div><div>js</div><div><button>Copy</button><button>Edit</button></div>
<div><code class="language-js">let a;

let b;
</code></div></div></pre></div></div></article>)",
     {"let a;\n\nlet b;\n"},
     ""},
    {"editor of spans and breaks",
     R"(<section data-testid="conversation-turn-2" data-turn="assistant" data-turn-id="t">
<div data-message-id="m"><div class="markdown"><pre><div>Bash<button>Copy</button></div>
<div class="cm-content"><span>one</span><br><br><span>two \</span><br><span>  three</span></div>
</pre></div></div></section>)",
     {"one\n\ntwo \\\n  three"},
     "B"},
    {"editor with line feeds",
     R"(<section data-testid="conversation-turn-2" data-turn="assistant" data-turn-id="t">
<div data-message-id="m"><div class="markdown"><pre><div>Python<button>Copy</button></div><div>
<pre class="cm-content"><code>def f():
    return 1</code></pre></div></pre></div></div></section>)",
     {"def f():\n    return 1"},
     "B"},
    {"block of the app",
     R"(<main data-app-shell-main-surface><div data-turn-key="k"><div
data-content-search-turn-key="x"><div data-chatgpt-search-unit-key="x:1:assistant"
data-chatgpt-search-message-ids="m"><div data-markdown-text-style="assistant-message"><div
data-markdown-copy="code-block"><div data-markdown-copy="exclude"><div class="truncate">JSON</div>
<button>Copy</button></div><code>{"b": 2}</code></div><div data-markdown-copy="code-block"><div
class="cm-content" data-language="sql"><div class="cm-line">select 1</div><div
class="cm-line"><br></div><div class="cm-line">;</div></div></div></div></div></div></div></main>)",
     {"{\"b\": 2}", "select 1\n\n;"},
     "C"},
    {"transcript of a guest",
     R"(<ol data-conversation-transcript><li data-message-role="assistant"><div
data-assistant-markdown><pre data-assistant-stream-block><code class="language-json">[]
</code></pre></div></li></ol>)",
     {"[]\n"},
     ""},
};

TEST(Eras, TheCodeOfEveryEraIsReadToTheLetter) {
  cdp_test::TemporaryDirectory folder;
  std::vector<std::filesystem::path> files;
  for (std::size_t i = 0; i < eras.size(); ++i) {
    files.push_back(folder.path() / (std::to_string(i) + ".html"));
    std::ofstream(files.back()) << "<!doctype html><meta charset=utf-8><body>" << eras[i].body;
  }
  std::size_t next = 0;
  look_at_files(files, [&](const auto&, const chat::Sighting& seen) {
    const Era& era = eras[next++];
    EXPECT_EQ(code_of(seen), era.code) << era.name;
    EXPECT_EQ(seen.shell(), era.shell) << era.name;
  });
  EXPECT_EQ(next, eras.size());
}

// The app draws no answer where none has begun.
TEST(Eras, ATurnThatFailedBeforeItsAnswerIsAFailedTurn) {
  cdp_test::TemporaryDirectory folder;
  const auto file = folder.path() / "failed.html";
  std::ofstream(file) << R"(<!doctype html><meta charset=utf-8><body>
<main data-app-shell-main-surface><div data-turn-key="k"><div data-content-search-turn-key="x">
<div data-chatgpt-search-unit-key="x:0:user" data-chatgpt-search-message-ids="k">
<div data-user-message-bubble="true">ask</div></div><div>Something went wrong
<button data-testid="regenerate-thread-error-button">Retry</button></div></div></div></main>)";
  look_at_files({file}, [](const auto&, const chat::Sighting& seen) {
    ASSERT_EQ(seen.turns.size(), 2u);
    EXPECT_EQ(seen.turns.front().role, "user");
    EXPECT_FALSE(seen.turns.front().failed);
    EXPECT_EQ(seen.turns.back().role, "assistant");
    EXPECT_TRUE(seen.turns.back().failed);
    EXPECT_FALSE(seen.turns.back().running);
    EXPECT_EQ(seen.turns.back().text, "");
  });
}

}  // namespace
}  // namespace chat_test
