package org.dpo4j.train.sentiment;

/** README.md of an experiment: what lies there, and how to make each of it again by hand. */
final class ExperimentReadme {
    private ExperimentReadme() {}

    static String text(ExperimentFiles files, Commands commands, Comparison comparison) {
        String prompt = comparison.before().get(0).prompt();
        return """
            # Controlled sentiment, in miniature

            The experiment of section 6.1 of the DPO paper (Rafailov et al. 2023) with made-up film reviews, a fixed lexicon as the
            judge, and a model of about a million parameters. The sentiment of a review is half the mean value, from -2 to 2, of its
            words that judge. Reviews of the corpus praise in one third of the cases, blame in one third, and do both in one third.

            ```
            %s```

            | file | what |
            | --- | --- |
            | `corpus.jsonl` | reviews drawn from a grammar; seed %d |
            | `untrained/` | random weights, and a tokenizer of whole words |
            | `sft/` | trained on the corpus: the reference; `metrics.jsonl` beside the weights |
            | `pairs.jsonl` | two reviews that `sft/` wrote to one beginning, the one of higher sentiment chosen; ties left out |
            | `dpo/` | trained on the pairs |
            | `samples.jsonl` | reviews of `dpo/` (chosen) and `sft/` (rejected) to beginnings that no pair was made from |

            ## Each step by hand

            Train on the corpus (a few seconds; writes the same weights again):

                %s

            Write reviews:

                %s
                %s

            Train on the pairs:

                %s

            Log-probs of the samples under both models. The mean of `chosen_logps` of the first minus that of the second is the KL above:

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
