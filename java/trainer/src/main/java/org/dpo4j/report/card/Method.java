package org.dpo4j.report.card;

/**
 * A method of training, as a model card names it.
 *
 * @param words the method in words, with a link to its paper
 * @param citation a section with its citation; empty for fine-tuning
 */
record Method(String words, String citation) {
    private static final Method DPO =
            new Method("[Direct Preference Optimization](https://huggingface.co/papers/2305.18290)", """

            ## Citation

            ```bibtex
            @inproceedings{rafailov2023direct,
              title     = {{Direct Preference Optimization: Your Language Model is Secretly a Reward Model}},
              author    = {Rafael Rafailov and Archit Sharma and Eric Mitchell and Christopher D. Manning and Stefano Ermon and Chelsea Finn},
              booktitle = {Advances in Neural Information Processing Systems 36},
              year      = {2023}
            }
            ```
            """);
    private static final Method KTO =
            new Method("[Kahneman-Tversky Optimization](https://huggingface.co/papers/2402.01306)", """

            ## Citation

            ```bibtex
            @article{ethayarajh2024kto,
              title   = {{KTO: Model Alignment as Prospect Theoretic Optimization}},
              author  = {Kawin Ethayarajh and Winnie Xu and Niklas Muennighoff and Dan Jurafsky and Douwe Kiela},
              journal = {arXiv:2402.01306},
              year    = {2024}
            }
            ```
            """);
    private static final Method SFT = new Method("supervised fine-tuning", "");

    static Method find(String trainer) {
        return switch (trainer) {
            case "dpo" -> DPO;
            case "kto" -> KTO;
            default -> SFT;
        };
    }
}
