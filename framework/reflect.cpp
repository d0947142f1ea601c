#include "framework/reflect.h"

#include <cctype>
#include <stdexcept>

namespace gradus::reflect::detail {

namespace {
bool part_of_a_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
}  // namespace

// A compiler prints an address as "{(& fake<Net>.Fake<Net>::value.Net::width)}" (g++) or "{&fake.value.width}" (clang):
// the field's name is what ends there. Decided by the text, as the program's compiler need not be the library's.
std::vector<std::string> parse_names(const char* printed, std::size_t n) {
  const std::string text = printed;
  const std::string end = text.find("(&") == std::string::npos ? "}" : ")}";
  std::vector<std::string> names;
  for (std::size_t at = text.find(end); at != std::string::npos; at = text.find(end, at + 1)) {
    std::size_t first = at;
    while (first > 0 && part_of_a_name(text[first - 1])) --first;
    if (first < at) names.push_back(text.substr(first, at - first));
  }
  if (names.size() != n) throw std::logic_error("reflect: no names of fields in " + text);
  return names;
}

// "... [with T = gradus::Linear]"
std::string parse_type(const char* printed) {
  std::string text = printed;
  text = text.substr(text.find("T = ") + 4);
  text = text.substr(0, text.find_first_of("<];"));
  const std::size_t scope = text.rfind("::");
  return scope == std::string::npos ? text : text.substr(scope + 2);
}

}  // namespace gradus::reflect::detail
