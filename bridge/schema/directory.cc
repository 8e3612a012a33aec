#include "bridge/base/limits.h"
#include "bridge/schema/registry.h"
#include "bridge/schema/uri.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace schema {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

base::Result<std::vector<fs::path>> json_files(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  fs::recursive_directory_iterator entries(folder, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    if (!entries->is_regular_file() || entries->path().extension() != ".json") continue;
    if (files.size() == limits::schema_files_max) {
      return fail(Code::invalid, fmt::format("load schemas from {}: more than {} files",
                                             folder.string(), limits::schema_files_max));
    }
    files.push_back(entries->path());
  }
  if (error) {
    return fail(Code::not_found,
                fmt::format("load schemas from {}: {}", folder.string(), error.message()),
                "file_failed");
  }
  std::ranges::sort(files);
  return files;
}

base::Result<std::string> content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(limits::schema_file_bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad()) {
    return fail(Code::unavailable, fmt::format("load schema {}: cannot be read", file.string()),
                "file_failed");
  }
  if (!in.eof()) {
    return fail(Code::invalid, fmt::format("load schema {}: larger than {} bytes", file.string(),
                                           limits::schema_file_bytes_max));
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

base::Result<> add_directory(Registry& registry, const fs::path& folder, std::string base_uri) {
  TRY(const auto files, json_files(folder));
  Registry grown = registry;
  for (const auto& file : files) {
    TRY(const std::string text, content(file));
    auto document = base::parse_json(text);
    if (!document) {
      return fail(Code::invalid,
                  fmt::format("load schema {}: {}", file.string(), document.error().message));
    }
    const std::string path = pointer_fragment(file.lexically_relative(folder).generic_string());
    const std::string by_path = resolve_uri(base_uri, path);
    const auto* object = document->if_object();
    const bool has_id = object && object->contains("$id");
    auto added = grown.add(std::vector{by_path}, has_id ? base_uri : by_path, *std::move(document));
    if (!added) {
      return fail(added.error().code,
                  fmt::format("load schema {}: {}", file.string(), added.error().message));
    }
  }
  registry = std::move(grown);
  return {};
}

}  // namespace schema
