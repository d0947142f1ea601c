// One program with something of each library; what it computes is checked, so that it must link and run.
#include <cstdio>

#include "framework/framework.h"
#include "models/transformer.h"
#include "optim/optim.h"

int main() {
  gradus::manual_seed(1);
  const gradus::Tensor x = gradus::ones({2, 3});
  gradus::Linear linear{3, 4};
  gradus::sum(linear(x)).backward();
  const double g = gradus::sum(linear.weight.grad()).item();  // every weight saw two ones
  std::printf("gradient %g, expected 24\n", g);
  return g == 24 ? 0 : 1;
}
