// The formats of JSON Schema 2020-12, section 7.3, by their grammars.
#pragma once

#include <string_view>

namespace schema {

using FormatCheck = bool (*)(std::string_view text);

// Null if the format is not known; unknown formats assert nothing.
FormatCheck format_check(std::string_view name);

// Date and time: RFC 3339 with its appendix A.
bool is_date(std::string_view text);
bool is_time(std::string_view text);
bool is_date_time(std::string_view text);
bool is_duration(std::string_view text);

// Names and addresses.
bool is_hostname(std::string_view text);      // RFC 1123, 5891 for "xn--" labels
bool is_idn_hostname(std::string_view text);  // RFC 5890 and 5892
bool is_ipv4(std::string_view text);          // RFC 2673, dotted quad
bool is_ipv6(std::string_view text);          // RFC 4291, without zone
bool is_email(std::string_view text);         // RFC 5321, Mailbox
bool is_idn_email(std::string_view text);     // RFC 6531, Mailbox

// Identifiers.
bool is_uri(std::string_view text);            // RFC 3986, with scheme
bool is_uri_reference(std::string_view text);  // RFC 3986
bool is_iri(std::string_view text);            // RFC 3987, with scheme
bool is_iri_reference(std::string_view text);  // RFC 3987
bool is_uri_template(std::string_view text);   // RFC 6570
bool is_uuid(std::string_view text);           // RFC 4122
bool is_json_pointer(std::string_view text);   // RFC 6901
bool is_relative_json_pointer(std::string_view text);
bool is_regex(std::string_view text);  // ECMA-262

}  // namespace schema
