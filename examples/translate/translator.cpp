#include "translator.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/data/batches.h"
#include "framework/io/safetensors.h"

using namespace gradus;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TranslatorConfig, d_model, heads, d_ff, layers, dropout, attention_dropout,
                                   inner_dropout, norm_first, max_length, raw, subwords, vocab_size, min_frequency,
                                   shared_vocab, toy, seed)

namespace {

bool in_words(const TranslatorConfig& config) { return config.subwords == "none"; }

Translator::TokenizerPtr learn(const TranslatorConfig& c, const std::vector<std::string>& lines) {
  if (in_words(c))
    return std::make_shared<WordTokenizer>(WordTokenizer::build(lines, c.raw, c.min_frequency, c.vocab_size));
  const auto kind = c.subwords == "bpe" ? SubwordTokenizer::Kind::bpe : SubwordTokenizer::Kind::unigram;
  return std::make_shared<SubwordTokenizer>(SubwordTokenizer::train(lines, c.vocab_size, kind, c.raw));
}

// "source.vocabulary", "target.model"; a shared one is the source's.
std::string file(const TranslatorConfig& c, const std::string& directory, const char* side) {
  return directory + "/" + (c.shared_vocab ? "shared" : side) + (in_words(c) ? ".vocabulary" : ".model");
}

Translator::TokenizerPtr load_tokenizer(const TranslatorConfig& c, const std::string& path) {
  if (in_words(c)) return std::make_shared<WordTokenizer>(WordTokenizer::load(path, c.raw));
  return std::make_shared<SubwordTokenizer>(SubwordTokenizer::load(path));
}

}  // namespace

gradus::Ids Translator::source_ids(const std::string& line) const {
  auto ids = source->encode(line);
  ids.resize(std::min(ids.size(), static_cast<std::size_t>(config.max_length)));
  ids.push_back(Vocabulary::end);
  return ids;
}

std::vector<std::vector<Translation>> Translator::translate(const std::vector<std::string>& lines,
                                                            const Search& search) const {
  if (search.beam.n_best > (search.sampled ? 1 : search.beam.beam)) {
    throw ConfigError(fmt::format("translate: n_best is {}, must be at most the beam, and 1 where ids are sampled",
                                  search.beam.n_best));
  }
  std::vector<Ids> sources;
  for (const auto& line : lines) sources.push_back(source_ids(line));
  std::vector<std::size_t> order(lines.size());  // similar lengths together
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return sources[a].size() < sources[b].size(); });
  std::vector<std::vector<Translation>> translations(lines.size());
  const auto batch = static_cast<std::size_t>(std::max<std::int64_t>(search.batch, 1));
  for (std::size_t first = 0; first < order.size(); first += batch) {
    std::vector<Ids> part;
    for (std::size_t i = first; i < std::min(order.size(), first + batch); ++i) part.push_back(sources[order[i]]);
    const auto decoding = model.decoding(pad_sequences(part), search.cached);
    const auto add = [&](std::size_t i, const Ids& ids, double score) {
      const bool nothing = part[i].size() == 1;  // only the end: an empty line stays empty
      translations[order[first + i]].push_back(nothing ? Translation{} : Translation{target->decode(ids), score, ids});
    };
    if (search.sampled || search.beam.beam == 1) {
      const auto said = search.sampled ? models::sample(*decoding, search.sampling) : models::greedy(*decoding);
      for (std::size_t i = 0; i < said.size(); ++i) add(i, said[i], 0);
    } else {
      const auto said = models::beam_search(*decoding, search.beam);
      for (std::size_t i = 0; i < said.size(); ++i) {
        for (const auto& h : said[i]) add(i, h.ids, h.score);
      }
    }
  }
  return translations;
}

void Translator::stream(const std::string& line, const Search& search,
                        const std::function<void(const std::string&)>& on_text) const {
  Ids so_far;
  std::string told;
  const auto on_id = [&](std::size_t, std::int64_t id) {
    so_far.push_back(id);
    const std::string text = target->decode(so_far);
    if (text.size() > told.size()) on_text(text.substr(told.size()));
    told = text;
  };
  const auto decoding = model.decoding(pad_sequences({source_ids(line)}), search.cached);
  if (search.sampled) models::sample(*decoding, search.sampling, {.on_id = on_id});
  else models::greedy(*decoding, {.on_id = on_id});
}

Tensor Translator::attention(const std::string& line, const Translation& translation) const {
  Ids input = translation.ids;
  input.insert(input.begin(), Vocabulary::start);
  input.resize(std::min(input.size(), static_cast<std::size_t>(model.max_length)));  // an end that was never said
  return select(model.attention(pad_sequences({source_ids(line)}), pad_sequences({input})), 0, 0);  // (t,s)
}

Translator Translator::make(const TranslatorConfig& config, const std::vector<std::string>& source,
                            const std::vector<std::string>& target) {
  if (config.shared_vocab) {
    auto both = source;
    both.insert(both.end(), target.begin(), target.end());
    const auto shared = learn(config, both);
    return {config, shared, shared};
  }
  return {config, learn(config, source), learn(config, target)};
}

void Translator::save_config(const std::string& directory, const std::map<std::string, std::string>& about) const {
  std::filesystem::create_directories(directory);
  source->save(file(config, directory, "source"));
  if (target != source) target->save(file(config, directory, "target"));
  std::ofstream out(directory + "/config.json");
  out << nlohmann::json{{"translator", config}, {"about", about}}.dump(2) << "\n";
  if (!out.flush()) throw FileError("can't write " + directory + "/config.json");
}

void Translator::save_weights(const std::string& directory) const {
  save_safetensors(directory + "/model.safetensors", state_dict(model));
}

namespace {

TranslatorConfig read_config(const std::string& directory) {
  const std::string path = directory + "/config.json";
  std::ifstream in(path);
  if (!in) throw FileError(path + ": no such file; is " + directory + " a run directory of translate train?");
  try {
    return nlohmann::json::parse(in).at("translator").get<TranslatorConfig>();
  } catch (const nlohmann::json::exception&) { throw FileError(path + ": is damaged, or of another version"); }
}

Translator untrained(const TranslatorConfig& config, const std::string& directory) {
  const auto source = load_tokenizer(config, file(config, directory, "source"));
  const auto target = config.shared_vocab ? source : load_tokenizer(config, file(config, directory, "target"));
  try {
    return {config, source, target};
  } catch (const Error& e) { throw ConfigError(directory + "/config.json: " + e.what()); }
}

}  // namespace

Translator Translator::load(const std::string& directory) {
  const init::Skip loaded_next;
  Translator translator = untrained(read_config(directory), directory);
  const std::string weights = directory + "/model.safetensors";
  const StateDict state = load_safetensors(weights);
  try {
    load_state_dict(translator.model, state);
  } catch (const ConfigError& e) { throw ConfigError(weights + ": " + e.what()); }
  eval(translator.model);
  return translator;
}

Translator Translator::resume(const TranslatorConfig& wanted, const std::string& directory) {
  const nlohmann::json before = read_config(directory), now = wanted;
  std::string differences;
  for (const auto& [key, value] : now.items()) {
    if (before.at(key) != value)
      differences += fmt::format("\n  {}  was {}, is {}", key, before.at(key).dump(), value.dump());
  }
  if (!differences.empty())
    throw ConfigError(fmt::format("the run in {} was begun with other settings{}", directory, differences));
  return untrained(wanted, directory);
}
