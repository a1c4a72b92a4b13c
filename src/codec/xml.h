/* SPDX-License-Identifier: Apache-2.0
 *
 * xml: a strict pull reader for the small XML answers of AWS's Query protocol. It builds no tree and allocates nothing.
 *
 * Known: elements, attributes (skipped), text, CDATA, comments, processing instructions, the five entities and character references. Refused: document types
 * (so no entities of their own), elements that are not closed in order, anything behind the root, depth over XML_DEPTH_MAX.
 * Prefixes stay part of a name; AWS's answers have none.
 */
#ifndef S2Q_CODEC_XML_H
#define S2Q_CODEC_XML_H

#include "base/buffer.h"
#include "base/slice.h"

#define XML_DEPTH_MAX 32

enum xml_event { XML_ERROR, XML_START, XML_TEXT, XML_END, XML_DONE };

struct xml {
    const char *at;
    const char *end;
    const char *error; /* what is wrong, a literal; NULL: nothing yet */
    struct slice open[XML_DEPTH_MAX];
    int depth;
    bool begun;        /* the root was met */
    bool empty;        /* the element just begun was <like this/> */
    bool cdata;        /* the text just given stands for itself */
    struct slice name; /* of XML_START and XML_END */
    struct slice text; /* of XML_TEXT: raw; xml_append_text decodes it */
};

void xml_init(struct xml *x, struct slice document);
/* Text between elements that is only blanks is passed over; XML_ERROR and XML_DONE stay. */
enum xml_event xml_next(struct xml *x);
/* Appends the text of XML_TEXT, decoded; false: an entity that is none. */
bool xml_append_text(struct buffer *out, struct xml *x);

#endif
