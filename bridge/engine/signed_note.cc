#include "bridge/engine/signed_note.h"

#include "bridge/base/limits.h"
#include "cdp/base64.h"
#include "cdp/try.h"

#include <charconv>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace engine {
namespace {

using base::Code;
using base::Result;

using Key = std::shared_ptr<EVP_PKEY>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr std::string_view dash = "\xE2\x80\x94 ";  // an em dash and a space
constexpr char ed25519 = 1;
constexpr std::size_t key_bytes = 32;
constexpr std::size_t signature_bytes = 64;
constexpr std::size_t id_bytes = 4;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string encode_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes_of(bytes),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string public_key(const Key& key) {
  std::string raw(key_bytes, '\0');
  std::size_t size = raw.size();
  const int ok =
      EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
  BRIDGE_ASSERT(ok == 1 && size == key_bytes);
  return raw;
}

// The first bytes of SHA-256 of the name, a line feed, the algorithm and the key.
std::string key_id(std::string_view name, std::string_view typed_key) {
  const auto digest = base::sha256(fmt::format("{}\n{}", name, typed_key));
  return {reinterpret_cast<const char*>(digest.data()), id_bytes};
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= limits::name_bytes_max &&
         name.find_first_of("+ \t\r\n\v\f") == std::string_view::npos;
}

std::unexpected<base::Error> invalid(std::string_view what) {
  return base::fail(Code::invalid, fmt::format("read note: {}", what));
}

struct Verifier {
  std::string name, id, key;
};

Result<Verifier> parse_verifier(std::string_view text) {
  const auto first = text.find('+');
  const auto second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return invalid("the verifier key has no three parts");
  Verifier verifier;
  verifier.name = text.substr(0, first);
  const auto typed_key = cdp::decode_base64(text.substr(second + 1));
  if (!typed_key || typed_key->size() != 1 + key_bytes || typed_key->front() != ed25519) {
    return invalid("the verifier key is not of Ed25519");
  }
  verifier.id = key_id(verifier.name, *typed_key);
  if (base::hex(verifier.id) != text.substr(first + 1, second - first - 1)) {
    return invalid("the verifier key does not match its hash");
  }
  verifier.key = typed_key->substr(1);
  return verifier;
}

bool is_signed(std::string_view text, std::string_view signature, const std::string& raw_key) {
  const Key key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(raw_key), raw_key.size()),
      EVP_PKEY_free);
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return key && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                          text.size()) == 1;
}

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace

NoteSigner::NoteSigner(std::string name, std::shared_ptr<evp_pkey_st> key)
    : name_(std::move(name)), key_(std::move(key)) {
  BRIDGE_ASSERT(is_name(name_) && key_);
}

NoteSigner NoteSigner::generate(std::string name) {
  return {std::move(name), Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free)};
}

Result<NoteSigner> NoteSigner::from_pem(std::string name, std::string_view pem) {
  if (!is_name(name)) return invalid("not a signer's name");
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    return invalid("not a private key of Ed25519");
  }
  return NoteSigner(std::move(name), std::move(key));
}

std::string NoteSigner::private_key_pem() const {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  const int ok =
      PEM_write_bio_PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  BRIDGE_ASSERT(ok == 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string NoteSigner::verifier_key() const {
  const std::string typed_key = ed25519 + public_key(key_);
  return fmt::format("{}+{}+{}", name_, base::hex(key_id(name_, typed_key)),
                     encode_base64(typed_key));
}

std::string NoteSigner::sign(std::string_view text) const {
  BRIDGE_ASSERT(text.ends_with('\n') && text.find("\n\n") == std::string_view::npos);
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(signature_bytes, '\0');
  std::size_t size = signature.size();
  const bool is_done =
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes_of(text), text.size()) == 1;
  BRIDGE_ASSERT(is_done && size == signature_bytes);
  const std::string id = key_id(name_, ed25519 + public_key(key_));
  return fmt::format("{}\n{}{} {}\n", text, dash, name_, encode_base64(id + signature));
}

Result<std::string> open_note(std::string_view note, std::string_view verifier_key) {
  TRY(const auto verifier, parse_verifier(verifier_key));
  if (note.size() > limits::note_bytes_max) return invalid("it is too big");
  const auto gap = note.rfind("\n\n");
  if (gap == std::string_view::npos || !note.ends_with('\n')) return invalid("no signature lines");
  const std::string_view text = note.substr(0, gap + 1);
  std::string_view rest = note.substr(gap + 2);
  while (!rest.empty()) {
    std::string_view line = take_line(rest);
    if (!line.starts_with(dash)) return invalid("a signature line without a dash");
    line.remove_prefix(dash.size());
    const auto space = line.find(' ');
    if (space == std::string_view::npos) return invalid("a signature line without a signature");
    if (line.substr(0, space) != verifier.name) continue;
    const auto bytes = cdp::decode_base64(line.substr(space + 1));
    if (!bytes || bytes->size() != id_bytes + signature_bytes) continue;
    if (bytes->substr(0, id_bytes) != verifier.id) continue;
    if (is_signed(text, bytes->substr(id_bytes), verifier.key)) return std::string(text);
  }
  return base::fail(Code::denied, fmt::format("read note: no good signature by {}", verifier.name),
                    "bad_signature");
}

std::string Checkpoint::text() const {
  const std::string_view bytes(reinterpret_cast<const char*>(root.data()), root.size());
  return fmt::format("{}\n{}\n{}\n", origin, size, encode_base64(bytes));
}

Result<Checkpoint> Checkpoint::parse(std::string_view text) {
  Checkpoint checkpoint;
  checkpoint.origin = take_line(text);
  const std::string_view size = take_line(text);
  const auto root = cdp::decode_base64(take_line(text));
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), checkpoint.size);
  const bool is_number = error == std::errc() && end == size.data() + size.size();
  if (checkpoint.origin.empty() || !is_number || checkpoint.size < 0 || !root ||
      root->size() != checkpoint.root.size()) {
    return base::fail(Code::invalid, "read checkpoint: not origin, size and root");
  }
  std::copy(root->begin(), root->end(), checkpoint.root.begin());
  return checkpoint;
}

}  // namespace engine
