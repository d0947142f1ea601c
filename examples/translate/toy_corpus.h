#pragma once
#include <cstdint>
#include <string>
#include <vector>

struct SentencePair {
  std::string english, french;
};

// English sentences with their French translations, made by a small grammar: articles, possessives, numbers and
// adjectives that agree in gender and number, adjectives before and after the noun, elision, three tenses (avoir and
// être), negation, pronouns. Every English sentence has one translation: "you" is the polite vous, "I", "you" and
// "they" are masculine. No held-out sentence is in training.
struct ToyCorpus {
  std::vector<SentencePair> train, held_out;
};
// A pure function of the seed, on every machine. All pairs are distinct.
ToyCorpus toy_corpus(std::uint64_t seed, std::size_t train = 20000, std::size_t held_out = 1000);
