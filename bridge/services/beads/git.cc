#include "bridge/services/beads/git.h"

#include "bridge/base/limits.h"
#include "bridge/services/beads/files.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace beads {
namespace {

namespace fs = std::filesystem;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string text_of(const fs::path& path) {
  auto text = read_file(path, limits::packet_bytes_max);
  return text ? std::string(trimmed(*text)) : std::string();
}

// Git's folder for the work tree whose top is `top`; a linked work tree has a file that names it.
std::optional<fs::path> git_folder(const fs::path& top) {
  std::error_code error;
  const fs::path dot_git = top / ".git";
  if (fs::is_directory(dot_git, error)) return dot_git;
  if (!fs::is_regular_file(dot_git, error)) return {};
  constexpr std::string_view key = "gitdir:";
  const std::string text = text_of(dot_git);
  if (!text.starts_with(key)) return {};
  return (top / trimmed(std::string_view(text).substr(key.size()))).lexically_normal();
}

std::string branch_of(const fs::path& git) {
  constexpr std::string_view reference = "ref:";
  constexpr std::string_view heads = "refs/heads/";
  const std::string head = text_of(git / "HEAD");
  if (!head.starts_with(reference)) {
    return head.empty() ? "none" : "detached at " + head.substr(0, 12);
  }
  std::string_view name = trimmed(std::string_view(head).substr(reference.size()));
  if (name.starts_with(heads)) name.remove_prefix(heads.size());
  return name.empty() ? "none" : std::string(name);
}

// "url = …" of the section [remote "origin"].
std::string origin_of(std::string_view config) {
  bool is_origin = false;
  while (!config.empty()) {
    const std::size_t end = std::min(config.find('\n'), config.size());
    const std::string_view line = trimmed(config.substr(0, end));
    config.remove_prefix(std::min(end + 1, config.size()));
    if (line.starts_with('[')) is_origin = line.starts_with("[remote \"origin\"]");
    const std::size_t equals = line.find('=');
    if (is_origin && equals != line.npos && trimmed(line.substr(0, equals)) == "url") {
      return std::string(trimmed(line.substr(equals + 1)));
    }
  }
  return {};
}

// "owner/name" of https://host/owner/name.git, git@host:owner/name and the like.
std::string name_in(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  if (url.ends_with(".git")) url.remove_suffix(4);
  const std::size_t scheme = url.find("://");
  const bool has_scheme = scheme != url.npos;
  if (has_scheme) url.remove_prefix(scheme + 3);
  // Without the host, which may have a user and a password before it.
  const std::size_t host_end = url.find_first_of(has_scheme ? "/" : ":");
  if (host_end != url.npos) {
    url.remove_prefix(host_end + 1);
  } else if (has_scheme) {
    return {};
  }
  const std::size_t last = url.rfind('/');
  if (last == url.npos || last == 0) return std::string(trimmed(url.substr(last == 0 ? 1 : 0)));
  const std::size_t before = url.rfind('/', last - 1);
  return std::string(url.substr(before == url.npos ? 0 : before + 1));
}

}  // namespace

GitPlace git_place(const fs::path& folder) {
  for (fs::path top = folder;; top = top.parent_path()) {
    const auto git = git_folder(top);
    if (git) {
      const std::string shared = text_of(*git / "commondir");
      const std::string url =
          origin_of(text_of((shared.empty() ? *git : *git / shared) / "config"));
      std::string repo = name_in(url);
      if (repo.empty()) repo = top.filename().string();
      return {repo.empty() ? "unnamed" : repo, branch_of(*git)};
    }
    if (top == top.parent_path()) break;
  }
  const std::string name = folder.filename().string();
  return {name.empty() ? "unnamed" : name, "none"};
}

}  // namespace beads
