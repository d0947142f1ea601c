#pragma once
// What an error says.
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "framework/error.h"

namespace gradus {

// What a call says that must throw exactly an E.
template <class E, class F>
std::string said(F call) {
  try {
    call();
  } catch (const Error& e) {
    CHECK_MESSAGE(typeid(e) == typeid(E), std::string(e.what()));
    return e.what();
  }
  FAIL_CHECK("nothing was thrown");
  return "";
}

// The message starts with the op and shows every one of these.
template <class E, class F>
void check_said(const std::string& op, const std::vector<std::string>& shown, F call) {
  const std::string message = said<E>(call);
  INFO(message);
  CHECK(message.rfind(op + ": ", 0) == 0);
  for (const auto& text : shown) CHECK_MESSAGE(message.find(text) != std::string::npos, text);
}

}  // namespace gradus
