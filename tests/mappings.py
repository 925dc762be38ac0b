"""Mappings that several tests of imports share."""

from typing import Final

DEALS: Final = """
name: crm
currency: EUR
sources:
  deals:
    deal_id: id
    events:
      - {stage: lead, at: created}
      - {stage: won, at: closed, when: {state: Won}, attributes: {amount: value}}
      - {stage: lost, at: closed, when: {state: Lost}, attributes: {lost_reason: why}}
"""
"""Deals with one row each: when they began, and how and when they ended."""
