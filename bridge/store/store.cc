#include "bridge/store/store.h"

#include "bridge/base/limits.h"

namespace store {

std::int64_t Value::integer() const {
  const auto* number = std::get_if<std::int64_t>(&value_);
  BRIDGE_ASSERT(number);
  return *number;
}

double Value::real() const {
  if (const auto* number = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*number);
  const auto* number = std::get_if<double>(&value_);
  BRIDGE_ASSERT(number);
  return *number;
}

const std::string& Value::text() const {
  const auto* text = std::get_if<std::string>(&value_);
  BRIDGE_ASSERT(text);
  return *text;
}

const std::string& Value::blob() const {
  const auto* blob = std::get_if<Blob>(&value_);
  BRIDGE_ASSERT(blob);
  return blob->bytes;
}

base::Result<> room_for_new(const Store& store) {
  if (!store.is_short_of_space()) return {};
  return std::unexpected(base::Error{
      .code = base::Code::unavailable,
      .message = "accept something new: the disk of the store is full, and what is left of it is "
                 "for what is under way; make room there",
      .reason = "disk_full",
      .retry_after = limits::house_pause});
}

base::Result<std::optional<Row>> Tx::query_one(std::string_view sql, Values values) {
  TRY(auto rows, query(sql, std::move(values)));
  BRIDGE_ASSERT(rows.size() <= 1);
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

}  // namespace store
