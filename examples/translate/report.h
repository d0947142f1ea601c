#pragma once
#include <string>

// Writes DIRECTORY/report.html about a run of translate train: one file that needs no network. Curves of loss, BLEU,
// learning rate and speed, the settings, sample translations through the epochs, and where the model looked while it
// wrote them. Returns its path.
std::string write_report(const std::string& directory);
