#include "bridge/schema/uri.h"

#include <cctype>

namespace schema {
namespace {

struct Parts {
  std::string_view scheme, authority, path, query;
  bool has_scheme = false, has_authority = false, has_query = false;
};

bool is_scheme(std::string_view text) {
  if (text.empty() || !std::isalpha(static_cast<unsigned char>(text[0]))) return false;
  for (unsigned char c : text) {
    if (!std::isalnum(c) && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

// RFC 3986, appendix B, without the fragment.
Parts parse(std::string_view uri) {
  Parts parts;
  if (auto colon = uri.find_first_of(":/?");
      colon != uri.npos && uri[colon] == ':' && is_scheme(uri.substr(0, colon))) {
    parts.has_scheme = true;
    parts.scheme = uri.substr(0, colon);
    uri.remove_prefix(colon + 1);
  }
  if (auto mark = uri.find('?'); mark != uri.npos) {
    parts.has_query = true;
    parts.query = uri.substr(mark + 1);
    uri = uri.substr(0, mark);
  }
  if (uri.starts_with("//")) {
    parts.has_authority = true;
    uri.remove_prefix(2);
    parts.authority = uri.substr(0, uri.find('/'));
    uri.remove_prefix(parts.authority.size());
  }
  parts.path = uri;
  return parts;
}

// RFC 3986, section 5.2.4.
std::string without_dot_segments(std::string_view in) {
  std::string out;
  while (!in.empty()) {
    if (in.starts_with("../")) {
      in.remove_prefix(3);
    } else if (in.starts_with("./")) {
      in.remove_prefix(2);
    } else if (in.starts_with("/./")) {
      in.remove_prefix(2);
    } else if (in == "/.") {
      in = "/";
    } else if (in.starts_with("/../") || in == "/..") {
      in = in.size() == 3 ? std::string_view("/") : in.substr(3);
      const auto slash = out.rfind('/');
      out.resize(slash == out.npos ? 0 : slash);
    } else if (in == "." || in == "..") {
      in = {};
    } else {
      const auto segment = in.substr(0, in.find('/', 1));
      out += segment;
      in.remove_prefix(segment.size());
    }
  }
  return out;
}

std::string merged_path(const Parts& base, std::string_view path) {
  if (base.has_authority && base.path.empty()) return "/" + std::string(path);
  const auto slash = base.path.rfind('/');
  const auto folder = slash == base.path.npos ? std::string_view() : base.path.substr(0, slash + 1);
  return std::string(folder) + std::string(path);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string resolve_uri(std::string_view base_uri, std::string_view reference) {
  const auto hash = reference.find('#');
  const auto fragment = hash == reference.npos ? std::string_view() : reference.substr(hash);
  Parts to = parse(reference.substr(0, hash));
  const Parts base = parse(split_fragment(base_uri).resource);
  std::string path;
  if (to.has_scheme || to.has_authority || to.path.starts_with('/')) {
    // Only a hierarchical path has dot segments; "urn:a:../b" is a name.
    path = to.path.starts_with('/') ? without_dot_segments(to.path) : std::string(to.path);
  } else if (to.path.empty()) {
    path = base.path;
    if (!to.has_query) {
      to.has_query = base.has_query;
      to.query = base.query;
    }
  } else {
    path = without_dot_segments(merged_path(base, to.path));
  }
  if (!to.has_scheme) {
    to.has_scheme = base.has_scheme;
    to.scheme = base.scheme;
    if (!to.has_authority) {
      to.has_authority = base.has_authority;
      to.authority = base.authority;
    }
  }
  std::string uri;
  if (to.has_scheme) uri.append(to.scheme).append(":");
  if (to.has_authority) uri.append("//").append(to.authority);
  uri += path;
  if (to.has_query) uri.append("?").append(to.query);
  uri += fragment;
  return uri;
}

SplitUri split_fragment(std::string_view uri) {
  const auto hash = uri.find('#');
  if (hash == uri.npos) return {uri, {}};
  return {uri.substr(0, hash), uri.substr(hash + 1)};
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string pointer_token(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string pointer_token_decoded(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '0' ? '~' : '/';
    } else {
      out += token[i];
    }
  }
  return out;
}

std::string pointer_fragment(std::string_view pointer) {
  static constexpr char hex[] = "0123456789ABCDEF";
  static constexpr std::string_view allowed = "-._~!$&'()*+,;=:@/?";
  std::string out;
  for (unsigned char c : pointer) {
    if (c < 0x80 && (std::isalnum(c) || allowed.find(static_cast<char>(c)) != allowed.npos)) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += hex[c >> 4];
      out += hex[c & 15];
    }
  }
  return out;
}

}  // namespace schema
