package org.dpo4j.quickstart;

/** README.md of an experiment: its files and the command of each step. */
final class ExperimentReadme {
    private ExperimentReadme() {}

    static String text(ExperimentFiles files, Commands commands, Comparison comparison) {
        String prompt = comparison.before().get(0).prompt();
        return """
            # Controlled sentiment, a small version

            The experiment of section 6.1 of the DPO paper (Rafailov et al. 2023) with made-up film reviews, a fixed
            lexicon as the judge, and a model of about a million parameters. Each sentiment word has a value from -2 to
            2, and the sentiment of a review is half the mean of these values. Half of the corpus is positive, half
            negative; one sentiment word in twenty has the opposite sign.

            ```
            %s```

            | file | what |
            | --- | --- |
            | `corpus.jsonl` | reviews sampled from a grammar; seed %d |
            | `untrained/` | random weights, and a word-level tokenizer |
            | `sft/` | trained on the corpus: the reference; `metrics.jsonl` beside the weights |
            | `pairs.jsonl` | two reviews by `sft/` of one prompt; the one with higher sentiment is chosen; no ties |
            | `dpo/` | trained on the pairs; `report.html` shows the run and samples of both models |
            | `samples.jsonl` | reviews by `dpo/` (chosen) and `sft/` (rejected) of held-out prompts |

            ## Each step by hand

            Train on the corpus. The weights are the same as in `sft/`:

                %s

            Generate reviews:

                %s
                %s

            Train on the pairs:

                %s

            Log-probs of the samples under both models. The mean of `chosen_logps` of the first minus that of the second
            is the KL above, except for rows that are left out because both models wrote the same:

                %s
                %s
            """.formatted(
                        comparison.scores(),
                        commands.seed(),
                        Commands.line("sft", commands.sft()),
                        Commands.line("generate", commands.generate(files.sft(), prompt)),
                        Commands.line("generate", commands.generate(files.dpo(), prompt)),
                        Commands.line("dpo", commands.dpo()),
                        Commands.line("logps", commands.logps(files.dpo())),
                        Commands.line("logps", commands.logps(files.sft())));
    }
}
