"""The control room: a page on which a newcomer books a visit and watches the whole chain."""
