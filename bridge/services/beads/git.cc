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

// The reference that HEAD names; empty: it names a commit itself, or nothing.
std::string_view reference_in(std::string_view head) {
  constexpr std::string_view key = "ref:";
  return head.starts_with(key) ? trimmed(head.substr(key.size())) : std::string_view();
}

std::string branch_of(std::string_view head) {
  constexpr std::string_view heads = "refs/heads/";
  std::string_view name = reference_in(head);
  if (name.empty()) {
    const bool is_commit = !head.empty() && !head.starts_with("ref:");
    return is_commit ? "detached at " + std::string(head.substr(0, 12)) : "none";
  }
  if (name.starts_with(heads)) name.remove_prefix(heads.size());
  return name.empty() ? "none" : std::string(name);
}

bool is_commit_id(std::string_view text) {
  return text.size() >= 40 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// Of a line "<commit> <reference>" in the file of references that were packed.
std::string packed_commit(std::string_view packed, std::string_view reference) {
  while (!packed.empty()) {
    const std::size_t end = std::min(packed.find('\n'), packed.size());
    const std::string_view line = trimmed(packed.substr(0, end));
    packed.remove_prefix(std::min(end + 1, packed.size()));
    const std::size_t space = line.find(' ');
    if (space == line.npos || line.substr(space + 1) != reference) continue;
    return is_commit_id(line.substr(0, space)) ? std::string(line.substr(0, space)) : "";
  }
  return {};
}

// `shared` is the folder that all work trees of the repository have in common.
std::string commit_of(const fs::path& git, const fs::path& shared, std::string_view head) {
  if (is_commit_id(head)) return std::string(head);
  const std::string_view reference = reference_in(head);
  // Nothing but a name below the folder, whatever the file holds.
  if (!reference.starts_with("refs/") || reference.find("..") != reference.npos) return {};
  for (const fs::path& place : {git, shared}) {
    std::string loose = text_of(place / reference);
    if (is_commit_id(loose)) return loose;
  }
  return packed_commit(text_of(shared / "packed-refs"), reference);
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
      const std::string common = text_of(*git / "commondir");
      const fs::path shared = common.empty() ? *git : *git / common;
      const std::string head = text_of(*git / "HEAD");
      std::string repo = name_in(origin_of(text_of(shared / "config")));
      if (repo.empty()) repo = top.filename().string();
      return {repo.empty() ? "unnamed" : repo, branch_of(head), commit_of(*git, shared, head)};
    }
    if (top == top.parent_path()) break;
  }
  const std::string name = folder.filename().string();
  return {name.empty() ? "unnamed" : name, "none"};
}

}  // namespace beads
