// The Transformer by hand: one tiny sentence pair through a tiny model, every matrix printed with its name, shape and
// formula in the order of "Attention Is All You Need" (Vaswani et al. 2017). Nothing is computed here: the program
// watches the ops of models/transformer as they run and tells, from the parameter that an op uses, which formula it is.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "framework/framework.h"
#include "models/transformer.h"
#include "optim/optim.h"

using namespace gradus;

namespace {

const std::vector<std::string> english{"<pad>", "<start>", "<end>", "<unk>", "the", "black", "cat", "sleeps"};
const std::vector<std::string> french{"<pad>", "<start>", "<end>", "<unk>", "le", "chat", "noir", "dort"};

std::string words(const std::vector<std::string>& vocabulary, const std::vector<std::int64_t>& ids) {
  std::string text;
  for (auto id : ids) text += (text.empty() ? "" : " ") + vocabulary[static_cast<std::size_t>(id)];
  return text;
}

void heading(const std::string& text) { fmt::print("\n=== {} ===\n", text); }

void show(const std::string& name, const std::string& formula, const Tensor& x) {
  fmt::print("\n{}  {}  =  {}\n{}\n", name, x.shape().str(), formula, to_string(x));
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// "encoder.layers.0.self_attn.q_proj.weight" -> "encoder layer 1"
std::string layer_of(const std::string& parameter) {
  const auto at = parameter.find(".layers.");
  return at == std::string::npos
             ? ""
             : fmt::format("{} layer {}", parameter.substr(0, at), std::stoi(parameter.substr(at + 8)) + 1);
}

class Narrator {
 public:
  explicit Narrator(std::int64_t d_model) : d_model_(d_model) {}

  void operator()(const std::string& op, const Tensor& y, const std::vector<Tensor>& in) {
    if (op == "embedding") return embedding(y, in[0].name());
    if (op == "linear") return linear(y, in[1].name());
    if (op == "layer_norm") return normalised(y, in[1].name());
    if (op == "relu") return show("H = relu(X W1ᵀ + b1)", "max(0, X W1ᵀ + b1), section 3.3", y);
    if (op == "+" && y.dim() == 3) return sum(y, in);
    if (attending_) return attention(op, y, in);
    if (op == "*" && state_ == State::embedded) {
      show("scaled embedding", fmt::format("embedding * sqrt({}), section 3.4", d_model_), y);
    }
  }

 private:
  enum class State { start, embedded, attended, fed };

  void embedding(const Tensor& y, const std::string& parameter) {
    heading(parameter.rfind("source", 0) == 0 ? "ENCODER: words to vectors" : "DECODER: words to vectors");
    show("word embedding", fmt::format("rows of {} by id", parameter), y);
    state_ = State::embedded;
  }

  void linear(const Tensor& y, const std::string& parameter) {
    if (ends_with(parameter, "k_proj.weight")) {  // the first of the three that the layer computes
      const bool cross = parameter.find("multihead_attn") != std::string::npos;
      heading(fmt::format("{}: {}", layer_of(parameter),
                          cross ? "cross-attention (queries from the decoder, keys and values from the encoder)"
                          : parameter.rfind("decoder", 0) == 0 ? "masked self-attention" : "self-attention"));
      show("K, all heads", "X W_Kᵀ + b_K, section 3.2.2", y);
    } else if (ends_with(parameter, "v_proj.weight")) {
      show("V, all heads", "X W_Vᵀ + b_V", y);
    } else if (ends_with(parameter, "q_proj.weight")) {
      show("Q, all heads", "X W_Qᵀ + b_Q", y);
      attending_ = true;
    } else if (ends_with(parameter, "out_proj.weight")) {
      show("attention output", "concat(head 1, head 2, ...) W_Oᵀ + b_O", y);
      attending_ = false;
      state_ = State::attended;
    } else if (ends_with(parameter, "linear1.weight")) {
      heading(layer_of(parameter) + ": feed-forward");
      show("X W1ᵀ + b1", "the inner layer, wider than the model", y);
    } else if (ends_with(parameter, "linear2.weight")) {
      show("feed-forward output", "H W2ᵀ + b2", y);
      state_ = State::fed;
    } else {
      heading("OUTPUT");
      show("logits", fmt::format("X Wᵀ with {}: a score for each word", parameter), y);
    }
  }

  void sum(const Tensor& y, const std::vector<Tensor>& in) {
    if (state_ == State::embedded) {
      show("positional encoding", "sin and cos of position / 10000^(2i/d), section 3.5", in[1]);
      show("X", "embedding + positional encoding", y);
    } else {
      show("add", state_ == State::attended ? "X + attention output" : "X + feed-forward output", y);
    }
    state_ = State::start;
  }

  void normalised(const Tensor& y, const std::string& parameter) {
    show("X = norm(add)", fmt::format("(add - mean) / sqrt(variance + eps) * weight + bias of {}", parameter), y);
  }

  // Between the projections and the output projection: buffered, then told head by head.
  void attention(const std::string& op, const Tensor& y, const std::vector<Tensor>& in) {
    if (op == "matmul" && !scores_.defined()) q_ = in[0], k_ = in[1], scores_ = y;
    else if (op == "*") scaled_ = y;
    else if (op == "where") masked_ = y;
    else if (op == "softmax") weights_ = y;
    else if (op == "matmul") heads(in[1], y);
    else if (op == "reshape" && told_) show("concatenated heads", "head 1 | head 2 | ...", y), told_ = false;
  }

  void heads(const Tensor& v, const Tensor& result) {
    for (std::int64_t h = 0; h < q_.size(1); ++h) {
      const auto head = [h](const Tensor& x) { return select(x, 1, h); };
      fmt::print("\n--- head {} ---\n", h + 1);
      show("Q", "its columns of Q", head(q_));
      show("K", "its columns of K", transpose(head(k_), 1, 2));
      show("V", "its columns of V", head(v));
      show("Q Kᵀ", "how well each query fits each key", head(scores_));
      show("scaled", fmt::format("Q Kᵀ / sqrt({})", q_.size(3)), head(scaled_));
      if (masked_.defined()) show("masked", "-inf where the mask forbids to look", head(masked_));
      show("A", "softmax of each row: the shares of attention", head(weights_));
      show("head", "A V", head(result));
    }
    scores_ = masked_ = Tensor();
    told_ = true;
  }

  std::int64_t d_model_;
  State state_ = State::start;
  bool attending_ = false, told_ = false;
  Tensor q_, k_, scores_, scaled_, masked_, weights_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Prints every matrix of a tiny Transformer that translates 'the black cat sleeps', then decodes and trains it."};
  std::uint64_t seed = 3;
  std::int64_t d_model = 8, heads = 2, d_ff = 16, layers = 1;
  int warm_up = 60, threads = 1;
  app.add_option("--seed", seed)->capture_default_str();
  app.add_option("--threads", threads)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--d-model", d_model, "width")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--heads", heads)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--ffn", d_ff, "inner width of the feed-forward layers")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--layers", layers)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--warm-up", warm_up, "training steps before the tour, so that there is something to see")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  CLI11_PARSE(app, argc, argv);

  try {
    set_num_threads(threads);
    manual_seed(seed);
    auto model = models::Transformer{.source_vocabulary = static_cast<std::int64_t>(english.size()),
                                     .target_vocabulary = static_cast<std::int64_t>(french.size()),
                                     .d_model = d_model, .heads = heads, .d_ff = d_ff,
                                     .encoder_layers = layers, .decoder_layers = layers, .dropout = 0};
    auto adam = optim::Adam(parameters(model), {.lr = 1e-2});
    const Tensor source = tensor({{4, 5, 6, 7}});            // the black cat sleeps
    const Tensor input = tensor({{1, 4, 5, 6, 7}});          // <start> le chat noir dort
    const Tensor wanted = tensor({{4, 5, 6, 7, 2}});         // le chat noir dort <end>

    heading("VOCABULARY AND IDS");
    for (std::size_t i = 0; i < english.size(); ++i) fmt::print("{:2}  {:8} {:8}\n", i, english[i], french[i]);
    fmt::print("\nsource  {:40} ids {}\n", words(english, source.to_vector<std::int64_t>()), to_string(source));
    fmt::print("target  {:40} ids {}\n", words(french, input.to_vector<std::int64_t>()), to_string(input));
    fmt::print("wanted  {:40} ids {}\n", words(french, wanted.to_vector<std::int64_t>()), to_string(wanted));
    fmt::print("\nThe model, after {} steps of training on this pair:\n{}\n", warm_up, summary(model));
    for (int i = 0; i < warm_up; ++i) {
      const Tensor loss = cross_entropy(model(source, input), wanted);
      adam.zero_grad();
      loss.backward();
      adam.step();
    }

    Tensor logits;
    {
      NoGrad guard;
      Narrator narrator(d_model);
      const auto tell = [&](const char* op, const Tensor& y, const std::vector<Tensor>& in) { narrator(op, y, in); };
      Observer watch(tell, true);
      logits = model(source, input);
    }
    const Tensor probabilities = softmax(logits.detach(), -1);
    show("probabilities", "softmax(logits)", probabilities);
    fmt::print("\nchosen words: {}\n", words(french, argmax(probabilities, -1).to_vector<std::int64_t>()));

    heading("DECODING: from <start>, one word at a time, until <end>");
    for (std::vector<std::int64_t> said{1}; said.size() < 12;) {
      NoGrad guard;
      const Tensor so_far = from_vector(said, {1, static_cast<std::int64_t>(said.size())});
      const Tensor next = softmax(select(model(source, so_far), 1, so_far.size(1) - 1), -1);  // of the last position
      said.push_back(argmax(next, -1).item<std::int64_t>());
      fmt::print("{:36} -> {:8} ({:.1f} %)\n", words(french, {said.begin(), said.end() - 1}),
                 french[static_cast<std::size_t>(said.back())], 100 * max(next).item());
      if (said.back() == 2) break;
    }

    heading("ONE TRAINING STEP");
    const Tensor loss = cross_entropy(model(source, input), wanted);
    fmt::print("loss = mean of -log probability of the wanted words = {:.6f}\n", loss.item());
    adam.zero_grad();
    loss.backward();
    const auto [name, weight] = named_parameters(model).front();
    show(fmt::format("d loss / d {}", name), "backward: by how much the loss changes with each number", weight.grad());
    adam.step();
    fmt::print("\nloss after one step of Adam: {:.6f}\n", cross_entropy(model(source, input), wanted).item());
  } catch (const Error& e) {
    fmt::print(stderr, "by_hand: {}\n", e.what());
    return 2;
  }
}
