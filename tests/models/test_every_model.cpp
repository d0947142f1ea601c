// A model whose test nobody wrote is found here.
#include <doctest/doctest.h>

#include <filesystem>

TEST_CASE("models: each header of models/ has its test") {
  int headers = 0;
  for (const auto& file : std::filesystem::directory_iterator("models")) {
    if (file.path().extension() != ".h") continue;
    ++headers;
    const std::string test = "tests/models/test_" + file.path().stem().string() + ".cpp";
    CHECK_MESSAGE(std::filesystem::exists(test), file.path().string() << " has no " << test);
  }
  CHECK(headers >= 6);
}
