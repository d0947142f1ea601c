#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "examples/progress.h"

namespace {

std::string content(std::FILE* file) {
  std::string text;
  std::rewind(file);
  for (int c; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
  return text;
}

}  // namespace

TEST_CASE("progress writes plain lines where there is no terminal") {
  std::FILE* file = std::tmpfile();
  {
    Progress progress(4, 0, 0, file);
    progress.step(1, 2.0, 100, 0.001);
    progress.step(1, 1.5, 100, 0.001);
    progress.line("epoch 1: good");
  }
  const std::string text = content(file);
  std::fclose(file);
  CHECK(text.find("epoch 1  step 1/4  loss 2.000  perplexity 7.39  rate 1.0e-03  ") == 0);
  CHECK(text.find("\nepoch 1  step 2/4  loss 1.500  ") != std::string::npos);
  CHECK(text.find("tokens/s  0:00 left\n") != std::string::npos);
  CHECK(text.find("epoch 1: good\n") == text.size() - 14);
  CHECK(text.find('\r') == std::string::npos);
  CHECK(text.find('\33') == std::string::npos);
}

TEST_CASE("progress keeps the pace and shows the mean loss since the last line") {
  std::FILE* file = std::tmpfile();
  Progress progress(1000, 500, 3600, file);
  for (int i = 0; i < 400; ++i) progress.step(1, 1, 1, 0.001);
  CHECK(content(file).empty());
  std::fclose(file);

  file = std::tmpfile();
  Progress resumed(1000, 500, 0.02, file);
  resumed.step(1, 1, 1, 0.001);
  resumed.step(1, 2, 1, 0.001);
  usleep(30'000);
  resumed.step(1, 3, 1, 0.001);
  CHECK(content(file).find("epoch 1  step 503/1000  loss 2.000") == 0);
  std::fclose(file);
}

TEST_CASE("progress rewrites one line of a terminal and clears it before a line that stays") {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) return;  // a machine without pseudo terminals
  std::FILE* file = std::fopen(ptsname(terminal), "w");
  if (file == nullptr) return;
  {
    Progress progress(2, 0, 3600, file);
    usleep(250'000);
    progress.step(1, 2, 1, 0.001);
    progress.line("kept");
  }
  char buffer[1000] = {};
  const auto n = read(terminal, buffer, sizeof buffer - 1);
  const std::string text(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
  CHECK(text.find("\r[==========          ] epoch 1  step 1/2  loss 2.000") == 0);
  CHECK(text.find("left\33[K\r\33[Kkept\r\n") != std::string::npos);
  std::fclose(file);
  close(terminal);
}

TEST_CASE("progress survives a reader that went away") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::FILE* file = fdopen(ends[1], "w");
  close(ends[0]);
  Progress progress(10, 0, 0, file);
  for (int i = 0; i < 5; ++i) progress.step(1, 1, 1, 0.001);
  CHECK_NOTHROW(progress.line("still here"));
  std::fclose(file);
}
