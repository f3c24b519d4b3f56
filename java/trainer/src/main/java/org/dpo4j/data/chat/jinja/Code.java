package org.dpo4j.data.chat.jinja;

/** A compiled expression. */
interface Code {
    Object run(Frame frame);

    /** The code with a position for its errors. */
    static Code at(Position position, Code code) {
        return frame -> {
            try {
                return code.run(frame);
            } catch (TemplateError e) {
                throw e.at(position);
            }
        };
    }

    /** A compiled statement. */
    interface Action {
        Flow run(Frame frame);

        static Action at(Position position, Action action) {
            return frame -> {
                try {
                    return action.run(frame);
                } catch (TemplateError e) {
                    throw e.at(position);
                }
            };
        }
    }

    /** A compiled target of an assignment. */
    interface Store {
        void run(Frame frame, Object value);
    }

    /** What runs after a statement. */
    enum Flow {
        NEXT,
        BREAK,
        CONTINUE
    }
}
